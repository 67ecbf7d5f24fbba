// Reads {"tex", "display"} line by line, answers {"html"} or {"error"}: see formulas.py.
const katex = require(process.argv[2]);

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, { displayMode: display, strict: "error" }) };
  } catch (error) {
    answer = { error: `${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
