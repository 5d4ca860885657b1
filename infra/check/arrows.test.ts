import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkArrows, checkFile, printed } from './arrows.ts';

const found = (file: string, text: string) => checkFile(file, text).map(printed);

test.each([
  ['protocol/codec.ts', '../actors/user.ts'],
  ['protocol/codec.ts', '../infra/clock.ts'],
  ['actors/user.ts', '../nodes/ports.ts'],
  ['actors/geo/grid.ts', '../../infra/clock.ts'],
  ['nodes/runtime.ts', '../infra/clock.ts'],
  ['nodes/runtime.ts', '../gateway/session.ts'],
  ['gateway/session.ts', '../infra/postgres/ledger.ts'],
  ['gateway/session.ts', '../actors/user.ts'],
  ['gateway/client/index.ts', '../session.ts'],
  ['gateway/client/index.ts', '../../nodes/ports.ts'],
  ['infra/postgres/ledger.ts', '../../gateway/session.ts'],
  ['infra/postgres/ledger.ts', '../../nodes/runtime.ts'],
  ['infra/postgres/ledger.ts', '../../k8s/demo.ts'],
  ['gateway/session.ts', '../nodes/main.ts'],
  ['actors/user.ts', '../../elsewhere/x.ts'],
])('%s must not import %s, in whatever form', (file, target) => {
  for (const text of [
    `import { x } from '${target}';`,
    `import '${target}';`,
    `export * from '${target}';`,
    `const x = await import('${target}');`,
    `const x = require("${target}");`,
    `import {\n  a,\n  b, // from here\n} from\n  '${target}';`,
  ]) {
    expect(found(file, text), text).toHaveLength(1);
  }
});

test.each([
  ['actors/user.ts', "import { x } from '../protocol/index.ts';"],
  ['nodes/runtime.ts', "import { x } from '../actors/turn.ts'; import { y } from './mailbox.ts';"],
  ['gateway/session.ts', "import { x } from '../nodes/gatewayPort.ts'; import ws from 'uWebSockets.js';"],
  [
    'gateway/client/index.ts',
    "import { x } from '../../protocol/index.ts'; new WebSocket(url); setTimeout(f, 1);",
  ],
  [
    'infra/postgres/ledger.ts',
    "import { CommitError } from '../../nodes/ports.ts'; import pg from 'pg'; Date.now();",
  ],
  ['infra/postgres/ledger.ts', "import type { UserMessage } from '../../actors/messages/user.ts';"],
  ['nodes/main.ts', "import { x } from '../infra/clock.ts'; process.env.X; setTimeout(f, 1);"],
  ['k8s/demo.ts', "import { x } from '../infra/clock.ts'; Date.now();"],
  ['actors/user.test.ts', "import { x } from '../infra/clock.ts'; Date.now();"],
  ['protocol/fuzz.ts', "import fs from 'node:fs'; performance.now(); process.exit(1);"],
  ['protocol/qr.ts', "import { createHmac } from 'node:crypto';"],
])('%s may: %s', (file, text) => {
  expect(found(file, text)).toEqual([]);
});

test.each([
  'Date.now()',
  'const now = Date . now;',
  'new Date()',
  'new Date( )',
  'const d = new Date;',
  'Date()',
  'Math.random()',
  'setTimeout(f, 1)',
  'setInterval(f, 1)',
  'setImmediate(f)',
  'const { now } = performance;',
  'performance.now()',
  'crypto.randomUUID()',
  'crypto.getRandomValues(bytes)',
  'process.env.HOME',
  'process.hrtime()',
  'globalThis.setTimeout(f, 1)',
  'fetch(url)',
  "import { randomBytes } from 'node:crypto';",
  "import fs from 'node:fs';",
  "import fs from 'fs';",
  "import { readFile } from 'node:fs/promises';",
  "import net from 'node:net';",
  "import http from 'node:http';",
  "import dgram from 'node:dgram';",
  "import { spawn } from 'node:child_process';",
  "import timers from 'node:timers/promises';",
  "import { performance as p } from 'node:perf_hooks';",
  "import pg from 'pg';",
  'const text = `at ${Date.now()} ${`and ${Math.max(1)}`}`;',
  'const half = width / 2; const t = Date.now(); const other = height / 2;',
])('actors, nodes and protocol must not: %s', text => {
  for (const file of ['actors/user.ts', 'nodes/runtime.ts', 'protocol/codec.ts']) {
    expect(found(file, text)).not.toEqual([]);
  }
  expect(found('infra/postgres/ledger.ts', text)).toEqual([]);
});

test.each([
  '// Date.now() and new Date()',
  '/* Math.random()\n * setTimeout(f, 1) */',
  "const text = 'Date.now() \\' setTimeout(f)';",
  'const text = `Math.random() ${name} process.env.X`;',
  'const pattern = /Date.now()["\'`]/g; const after = 1;',
  'const pattern = [/[/"]Math.random/]; const other = 4 / 2;',
  'new Date(ms)',
  'const turn = { now: turn.now(), setTimeout: 1 };',
  'scheduler.setTimeout(f)',
  'const performance: number = 1;',
  'class Update { update(date: Date) {} }',
  'const s = "import x from \'../infra/x.ts\'";',
])('nobody is fooled by: %s', text => {
  expect(found('actors/user.ts', text)).toEqual([]);
});

test('the message says where', () => {
  const text =
    "/**\n * Date.now() here is a comment\n */\nconst a = 1;\n\nconst now = Date.now();\nimport x from '../infra/x.ts';\n";
  expect(found('actors/user.ts', text)).toEqual([
    'actors/user.ts:6 Date.now reads the clock: take it as an argument or a port',
    'actors/user.ts:7 actors must not know infra: it may import from protocol',
  ]);
});

test('a whole house is walked through, and every planted fault is found', () => {
  const root = mkdtempSync(join(tmpdir(), 'heyblue-arrows-'));
  const plant = (file: string, text: string) => {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  try {
    plant('protocol/ids.ts', 'export const x = 1;\n');
    plant('actors/user/state.ts', "import { x } from '../../protocol/ids.ts';\nexport const y = x;\n");
    expect(checkArrows(root)).toEqual([]);
    plant('actors/user/state.ts', "import { x } from '../../infra/ids.ts';\nexport const y = x;\n");
    plant('nodes/deep/er/runtime.ts', '\n\nexport const id = Math.random();\n');
    plant('nodes/deep/er/runtime.test.ts', 'export const id = Math.random();\n');
    expect(checkArrows(root).map(({ file, line }) => `${file}:${line}`)).toEqual([
      'actors/user/state.ts:1',
      'nodes/deep/er/runtime.ts:3',
    ]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('this house keeps its arrows', () => {
  expect(checkArrows(join(import.meta.dirname, '../..')).map(printed)).toEqual([]);
});
