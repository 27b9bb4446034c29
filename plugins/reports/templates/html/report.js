"use strict";
// Evidence text is put into the page with textContent only, never as markup.

const make = (name, text, className) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
const number = (value) => value.toLocaleString("en-GB");
const later = (call) => {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(call, 150); };
};

// --- the filter of one page -----------------------------------------------------------------------------------

const box = document.querySelector("[data-filter]");
if (box) {
  const rows = [...document.querySelectorAll("table.list tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const label = make("label", "Filter this page ", "grow");
  const input = make("input");
  input.type = "search";
  label.append(input);
  const count = make("span", "", "shown");
  count.setAttribute("role", "status");
  const boxes = [];
  const check = (text, test) => {
    const holder = make("label", "", "check");
    const control = make("input");
    control.type = "checkbox";
    holder.append(control, " " + text);
    boxes.push([control, test]);
    control.addEventListener("change", () => show());
    return holder;
  };
  const show = () => {
    const wanted = words(input.value);
    let shown = 0;
    rows.forEach((row, index) => {
      const fits = wanted.every((word) => texts[index].includes(word)) &&
        boxes.every(([control, test]) => !control.checked || test(row));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = `${number(shown)} of ${number(rows.length)} rows`;
  };
  box.append(label);
  if (box.dataset.filter === "findings") {
    box.append(
      check("live only", (row) => row.dataset.live === "1"),
      check("no copies", (row) => row.dataset.copy === "0"),
    );
    const link = make("a", "Search all pages");
    link.href = "search.html";
    box.append(link);
  }
  if (box.dataset.filter === "terms") {
    box.append(check("with a match only", (row) => row.cells[3].textContent !== "0"));
  }
  if (box.dataset.filter === "problems") {
    box.append(check("gaps only", (row) => row.cells[0].textContent.trim() === "gap"));
  }
  box.append(count);
  box.hidden = false;
  input.addEventListener("input", later(show));
  show();
}

// --- the search over all findings -----------------------------------------------------------------------------

const search = document.getElementById("search");
if (search) {
  const SHOWN = 500;
  const files = Number(search.dataset.files);
  const get = (id) => document.getElementById(id);
  const body = get("results");
  const count = get("count");
  let run = 0;
  let take = () => {};
  window.fkRows = (rows) => take(rows);

  // One file at a time, dropped once it was looked through: memory stays flat however many findings there are.
  const load = (index) => new Promise((resolve, reject) => {
    const script = make("script");
    let got = [];
    take = (rows) => { got = rows; };
    script.onload = () => { script.remove(); resolve(got); };
    script.onerror = () => { script.remove(); reject(new Error(script.src)); };
    script.src = `data/findings-${String(index).padStart(4, "0")}.js`;
    document.head.append(script);
  });

  const line = ([id, page, type, exhibit, path, brief, state]) => {
    const row = make("tr");
    const item = make("th", undefined, "item");
    item.scope = "row";
    item.append(make("span", path, "path"), make("span", exhibit, "meta"));
    const last = make("td");
    const link = make("a", id, "id");
    link.href = `${encodeURIComponent(page)}#f-${encodeURIComponent(id)}`;
    last.append(link);
    row.append(item, make("td", type), make("td", brief), make("td", state), last);
    return row;
  };

  const go = async () => {
    const mine = ++run;
    const wanted = words(get("words").value);
    const type = get("type").value;
    const exhibit = get("exhibit").value;
    body.replaceChildren();
    let found = 0;
    let seen = 0;
    for (let index = 1; index <= files; index += 1) {
      let rows;
      try {
        rows = await load(index);
      } catch (error) {
        count.textContent = `A data file of this report is missing: ${error.message}`;
        return;
      }
      if (mine !== run) return;
      for (const row of rows) {
        seen += 1;
        if (type && row[2] !== type) continue;
        if (exhibit && row[3] !== exhibit) continue;
        if (get("live").checked && !row[6].startsWith("live")) continue;
        if (get("once").checked && row[6].endsWith("copy")) continue;
        const text = (row[0] + " " + row[2] + " " + row[4] + " " + row[5]).toLowerCase();
        if (!wanted.every((word) => text.includes(word))) continue;
        found += 1;
        if (found <= SHOWN) body.append(line(row));
      }
      const more = found > SHOWN ? ` The first ${number(SHOWN)} are shown: add words to narrow it down.` : "";
      const none = found || index < files ? "" : " No match was found in the findings searched.";
      count.textContent = `${number(found)} of ${number(seen)} fit.${more}${none}`;
    }
    if (!files) count.textContent = "There are no findings to search.";
  };
  const soon = later(go);
  get("words").addEventListener("input", soon);
  for (const id of ["type", "exhibit", "live", "once"]) get(id).addEventListener("change", soon);
  const fromAddress = () => {
    get("words").value = decodeURIComponent(location.hash.slice(1));
    go();
  };
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
}
