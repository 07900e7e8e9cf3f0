// Holds each AsyncAPI document that is named against AsyncAPI's own parser; exit code 1 for errors and warnings.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [modules, ...files] = process.argv.slice(2);
const { Parser } = createRequire(`${modules}/package.json`)('@asyncapi/parser');
const ERROR_OR_WARNING = 1;

let failed = false;
for (const file of files) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'), { source: file });
  const problems = diagnostics.filter(({ severity }) => severity <= ERROR_OR_WARNING);
  for (const { code, message, path } of problems) console.error(`${file}: ${code}: ${message} (${path.join('/')})`);
  if (!document || problems.length > 0) failed = true;
  else console.log(`${file}: valid AsyncAPI ${document.version()}, ${document.channels().all().length} channels`);
}
process.exit(failed ? 1 : 0);
