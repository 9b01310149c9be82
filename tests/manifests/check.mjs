// Checks custom resources against their schemas. What a schema says of values is checked by the package's own
// validator; fields that it does not know are refused by TypeScript, which takes none that a type does not have.
// In: a JSON array of manifests. Out: a JSON array of what is wrong with each, in the same order.
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const packages = {
  "cert-manager.io": "cert-manager",
  "extensions.istio.io": "istio",
  "gateway.envoyproxy.io": "envoy-gateway",
  "gateway.networking.k8s.io": "gateway-api",
  "monitoring.coreos.com": "prometheus-operator",
  "networking.istio.io": "istio",
  "security.istio.io": "istio",
};

const manifests = JSON.parse(readFileSync(0, "utf8"));
const problems = manifests.map(() => []);

/** The module that has the kind of a manifest; undefined if no package does. */
function moduleOf({ apiVersion, kind }) {
  const name = packages[String(apiVersion).split("/")[0]];
  return name && `@kubernetes-models/${name}/${apiVersion}/${kind}`;
}

// Some types are intersections, of which TypeScript takes unknown fields in arrays: all are made plain.
const lines = [
  "type Plain<T> = T extends Array<infer Item> ? Plain<Item>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;",
];
/** Which manifest a line of the program is; every manifest has one. */
const ofLine = new Map();
const imported = new Map();
for (const [at, manifest] of manifests.entries()) {
  const module = moduleOf(manifest);
  let Kind;
  try {
    if (!module) throw new Error("no package has its group");
    Kind = (await import(module))[manifest.kind];
    new Kind(manifest).validate();
  } catch (error) {
    problems[at].push(`${manifest.apiVersion} ${manifest.kind}: ${error.message}`);
  }
  if (!Kind) continue;
  if (!imported.has(module)) {
    imported.set(module, `K${imported.size}`);
    lines.push(`import type { I${manifest.kind} as ${imported.get(module)} } from ${JSON.stringify(module)};`);
  }
  ofLine.set(lines.length, at);
  lines.push(`export const m${at}: Plain<${imported.get(module)}> = ${JSON.stringify(manifest)};`);
}

const file = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "manifests.ts");
const options = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  target: ts.ScriptTarget.ES2022,
  types: [],
};
const host = ts.createCompilerHost(options);
const { getSourceFile, fileExists, readFile } = host;
const program = lines.join("\n");
host.fileExists = (name) => name === file || fileExists(name);
host.readFile = (name) => (name === file ? program : readFile(name));
host.getSourceFile = (name, ...rest) =>
  name === file ? ts.createSourceFile(name, program, ...rest) : getSourceFile(name, ...rest);
for (const found of ts.getPreEmitDiagnostics(ts.createProgram([file], options, host))) {
  const said = ts.flattenDiagnosticMessageText(found.messageText, " ");
  const at = found.file?.fileName === file && ofLine.get(found.file.getLineAndCharacterOfPosition(found.start).line);
  // What is not about a manifest means that the check itself is wrong.
  if (typeof at !== "number") throw new Error(`${found.file?.fileName}: ${said}`);
  problems[at].push(said);
}
process.stdout.write(JSON.stringify(problems));
