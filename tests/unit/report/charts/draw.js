// Draws charts as the page does, without a page: node draw.js SCRIPTS.js CHARTS.json FOLDER
// CHARTS.json: {"configs": {...}, "charts": {ID: specification}}. Writes FOLDER/ID.THEME.svg and
// prints {ID: {"warnings": [...], "texts": [...]}} of the light ones.
const fs = require("fs");
const vm = require("vm");

const [scripts, input, folder] = process.argv.slice(2);
const { configs, charts } = JSON.parse(fs.readFileSync(input, "utf8"));
const page = vm.createContext({ console, setTimeout, clearTimeout, setInterval, structuredClone }, {
  codeGeneration: { strings: false, wasm: false }, // as a page without unsafe-eval
});
for (const text of JSON.parse(fs.readFileSync(scripts, "utf8"))) vm.runInContext(text, page);

async function main() {
  const told = {};
  for (const [id, spec] of Object.entries(charts)) {
    for (const [theme, config] of Object.entries(configs)) {
      page.job = JSON.stringify({ spec, config });
      const { view, warnings } = vm.runInContext(
        "(() => { const { spec, config } = JSON.parse(job);" +
        " return spinnEdgeCharts.viewOf(spec, config, { renderer: 'none' }); })()", page);
      const svg = await view.toSVG();
      fs.writeFileSync(`${folder}/${id}.${theme}.svg`, svg);
      if (theme !== "light") continue;
      const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((found) => found[1]);
      told[id] = { warnings, texts };
    }
  }
  process.stdout.write(JSON.stringify(told));
}
main().catch((error) => { console.error(error); process.exit(1); });
