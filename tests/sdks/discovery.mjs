// What registries say of OpenAPI documents: one line of JSON, from file to what is wrong with it.
// By the draft's JSON schema of x-payment-info, and by the parser of mppx.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import { validate } from 'mppx/discovery';

const schema = JSON.parse(readFileSync(new URL('x-payment-info.schema.json', import.meta.url)));
const isPaymentInfo = new Ajv().compile(schema);
const found = {};
for (const file of process.argv.slice(2)) {
  const document = JSON.parse(readFileSync(file));
  const bySchema = [];
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item)) {
      const info = operation?.['x-payment-info'];
      if (info !== undefined && !isPaymentInfo(info)) {
        bySchema.push(...isPaymentInfo.errors.map((error) => `${method} ${path} ${error.instancePath} ${error.message}`));
      }
    }
  }
  const errors = validate(document).filter((issue) => issue.severity === 'error');
  const byMppx = errors.map((issue) => `${issue.path}: ${issue.message}`);
  found[file] = { bySchema, byMppx };
}
console.log(JSON.stringify(found));
