// Builds dist/: the compiled rules inlined, as ES modules and as CommonJS, with types.
// Arguments: the wasm that cargo built, and the program wasm-bindgen of the same version.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const [wasm, wasmBindgen] = process.argv.slice(2);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const ts = createRequire(import.meta.url)('typescript');
const generated = at('src', 'generated');

rmSync(generated, { recursive: true, force: true });
rmSync(at('dist'), { recursive: true, force: true });
const flags = ['--target', 'web', '--omit-default-module-path', '--remove-name-section', '--remove-producers-section'];
execFileSync(wasmBindgen, [...flags, '--out-dir', generated, '--out-name', 'core', wasm], { stdio: 'inherit' });
// Projects whose `lib` is older than ES2026 do not know Symbol.dispose, and need not.
const types = readFileSync(join(generated, 'core.d.ts'), 'utf8');
writeFileSync(join(generated, 'core.d.ts'), types.split('\n').filter((line) => !line.includes('Symbol.dispose')).join('\n'));
const bytes = readFileSync(join(generated, 'core_bg.wasm'));
// Inlined: no file to find and nothing to fetch, in Node, in bundlers and in pages.
writeFileSync(join(generated, 'wasm.ts'), `export const WASM =\n  '${bytes.toString('base64')}';\n`);

const tsc = at('node_modules', 'typescript', 'bin', 'tsc');
for (const [project, format, type] of [
  ['tsconfig.json', 'esm', 'module'],
  ['tsconfig.cjs.json', 'cjs', 'commonjs'],
]) {
  execFileSync(process.execPath, [tsc, '-p', at(project)], { stdio: 'inherit' });
  const glue = readFileSync(join(generated, 'core.js'), 'utf8');
  const options = { target: ts.ScriptTarget.ES2020, module: ts.ModuleKind.CommonJS };
  const folder = at('dist', format, 'generated');
  mkdirSync(folder, { recursive: true });
  const code = format === 'cjs' ? ts.transpileModule(glue, { compilerOptions: options }).outputText : glue;
  writeFileSync(join(folder, 'core.js'), code);
  copyFileSync(join(generated, 'core.d.ts'), join(folder, 'core.d.ts'));
  writeFileSync(at('dist', format, 'package.json'), JSON.stringify({ type }) + '\n');
}
copyFileSync(at('..', '..', 'LICENSE'), at('LICENSE'));
console.log(`  rules as wasm: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} gzipped`);
