// Builds ../static/vendor/graph.js and its licences from what package-lock.json pins. Says the sha256 of both: SOURCES.toml has them.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

// cytoscape carries heap and lodash in its own file.
const PACKAGES = ["cytoscape", "cytoscape-fcose", "cose-base", "layout-base", "heap", "lodash"];
const VENDOR = new URL("../static/vendor/", import.meta.url);
const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8").trim();

const made = await build({
  entryPoints: ["entry.js"],
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  charset: "ascii",
  legalComments: "external",
  outfile: "graph.js",
  write: false,
});
const [legal, code] = made.outputFiles.sort((one, other) => other.path.length - one.path.length);
const licences = PACKAGES.map((name) => {
  const { version } = JSON.parse(read(`node_modules/${name}/package.json`));
  return `${name} ${version}\n\n${read(`node_modules/${name}/LICENSE`)}`;
});
const parts = ["graph.js is made of these packages.", ...licences, legal.text.trim()];

for (const [name, bytes] of [
  ["graph.js", code.contents],
  ["graph.licenses.txt", Buffer.from(parts.join(`\n\n${"-".repeat(100)}\n\n`).replaceAll("\r\n", "\n") + "\n")],
]) {
  writeFileSync(new URL(name, VENDOR), bytes);
  console.log(createHash("sha256").update(bytes).digest("hex"), name);
}
