/** What the README tells a newcomer to type works: its marked snippets run, in order, against a real town. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapt, type Snippet, snippetsOf } from './readmeSnippets.ts';
import { startTestTown, type TestTown } from './testTown.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

describe('marked snippets', () => {
  const block = (language: string, code: string, mark = '<!-- test -->') =>
    [mark, `\`\`\`${language}`, code, '```', ''].join('\n');

  it('are found in order with their lines, others are not', () => {
    const text = `# Title\n\n${block('sh', 'echo 1')}text\n${block('sh', 'echo 2', '')}${block('ts', 'let a = 1;\na;')}`;
    expect(snippetsOf(text)).toEqual([
      { language: 'sh', code: 'echo 1', line: 5 },
      { language: 'ts', code: 'let a = 1;\na;', line: 14 },
    ]);
  });

  it('a mark before something else is a mistake', () => {
    expect(() => snippetsOf(block('json', '{}'))).toThrow('line 1');
    expect(() => snippetsOf('<!-- test -->\nwords')).toThrow('line 1');
  });

  it('point at the town at hand', () => {
    const town = { rest: 'http://h:1', realtime: 'ws://h:2/v1/ws', admin: 'http://h:3', dataDir: '/d' };
    const code = 'curl localhost:8080/v1 ws://127.0.0.1:8081/v1/ws 127.0.0.1:9090 .data/roster.txt my.data/x';
    expect(adapt(code, town)).toBe('curl h:1/v1 ws://h:2/v1/ws h:3 /d/roster.txt my.data/x');
  });
});

describe('README.md', () => {
  const snippets = snippetsOf(readFileSync(join(ROOT, 'README.md'), 'utf8'));
  let town: TestTown;
  const files: string[] = [];

  beforeAll(async () => {
    if (snippets.length > 0) town = await startTestTown();
  });
  afterAll(async () => {
    for (const file of files) rmSync(file, { force: true });
    await town?.stop();
  });

  it('has snippets that promise to run', () => {
    expect(snippets.length).toBeGreaterThan(0);
  });

  /** Variables that one shell snippet sets are there in the next, as in a newcomer's terminal. */
  const shell = (code: string): string[] => {
    const state = join(town.dataDir, 'shell-state');
    const script = join(town.dataDir, 'snippet.sh');
    writeFileSync(
      script,
      `set -a\n[ -f ${state} ] && . ${state}\nset -euo pipefail\n${code}\nset +u\nexport -p > ${state}\n`,
    );
    return ['bash', script];
  };

  /** In the folder of the project, where its relative imports hold. */
  const typescript = (code: string): string[] => {
    const file = join(ROOT, `.readme-snippet-${process.pid}-${files.length}.ts`);
    files.push(file);
    writeFileSync(file, code);
    return [process.execPath, '--no-warnings', file];
  };

  const run = (snippet: Snippet): Promise<{ code: number | null; output: string }> => {
    const code = adapt(snippet.code, { ...town.node.urls, dataDir: town.dataDir });
    const [command = '', ...args] = snippet.language === 'sh' ? shell(code) : typescript(code);
    // `npm run demo` and the like find the town of this test.
    const { HEYBLUE_REST_PORT, HEYBLUE_REALTIME_PORT, HEYBLUE_ADMIN_PORT, HEYBLUE_DATA_DIR } = town.env;
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HEYBLUE_REST_PORT,
      HEYBLUE_REALTIME_PORT,
      HEYBLUE_ADMIN_PORT,
      HEYBLUE_DATA_DIR,
    };
    return new Promise(resolve => {
      const child = spawn(command, args, { cwd: ROOT, env });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
      }
      child.once('close', exit => resolve({ code: exit, output }));
    });
  };

  it.each(snippets.map(snippet => [`${snippet.language} of line ${snippet.line}`, snippet] as const))(
    'runs: %s',
    { timeout: 120_000 },
    async (_name, snippet) => {
      const { code, output } = await run(snippet);
      expect(code, output).toBe(0);
    },
  );
});
