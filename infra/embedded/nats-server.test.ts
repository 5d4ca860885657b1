/** Which nats-server is taken, and how one is fetched: with stand-ins for the programs that would do it. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { StartFailure } from './failure.ts';
import { findNatsServer } from './nats-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-find-nats-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
const newFolder = (): string => {
  const path = join(folder, String(++made));
  mkdirSync(path);
  return path;
};

/** A program in a folder of its own; the folder is what PATH would name. */
function program(name: string, script: string, into = newFolder()): string {
  const path = join(into, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return into;
}
const server = (version: string, into?: string): string =>
  program('nats-server', `echo "nats-server: v${version}"`, into);

interface Try {
  bin?: string;
  path?: string;
  dataDir?: string;
  lines?: string[];
}
const find = ({ bin, path = newFolder(), dataDir = newFolder(), lines = [] }: Try) =>
  findNatsServer({
    dataDir,
    env: { PATH: path, NATS_SERVER_BIN: bin },
    log: line => lines.push(line),
  });
const sentence = (wanted: Try): Promise<string> =>
  find(wanted).then(
    found => expect.unreachable(`it took ${found.path}`),
    error => {
      expect(error).toBeInstanceOf(StartFailure);
      return error.message;
    },
  );

test('the one that was named, when it is a server and new enough', async () => {
  const named = server('2.11.3');
  expect(await find({ bin: join(named, 'nats-server'), path: server('2.12.0') })).toEqual({
    path: join(named, 'nats-server'),
    version: '2.11.3',
  });
  expect(await find({ bin: inject('natsServerBin') })).toMatchObject({ path: inject('natsServerBin') });
  const old = join(server('2.9.10'), 'nats-server');
  expect(await sentence({ bin: old })).toMatch(
    /nats-server is nats-server 2\.9\.10, which may lose acknowledged writes; 2\.10\.23 is needed: install nats-server/,
  );
  const none = [
    '/nowhere/nats-server',
    folder,
    join(program('other', 'echo hello'), 'other'),
    join(program('dies', 'exit 3'), 'dies'),
  ];
  for (const bin of none) {
    expect(await sentence({ bin }), bin).toMatch(
      /^NATS_SERVER_BIN names .*, which is not a nats-server that runs here: /,
    );
  }
});

test('the one on PATH, past folders that have none', async () => {
  const there = server('2.10.23');
  const odd = newFolder();
  mkdirSync(join(odd, 'nats-server'));
  const found = await find({ path: ['/nowhere', odd, there, server('2.12.0')].join(':') });
  expect(found).toEqual({ path: join(there, 'nats-server'), version: '2.10.23' });
});

test('one that was fetched earlier, when the one on PATH is too old', async () => {
  const dataDir = newFolder();
  mkdirSync(join(dataDir, 'nats-server'));
  server('2.10.27', join(dataDir, 'nats-server'));
  const found = await find({ path: server('2.9.10'), dataDir });
  expect(found).toEqual({ path: join(dataDir, 'nats-server', 'nats-server'), version: '2.10.27' });
});

const canFetch =
  /^ID="?(debian|ubuntu)"?$/m.test(
    existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '',
  ) &&
  existsSync('/usr/bin/apt-get') &&
  existsSync('/usr/bin/dpkg-deb');

describe.skipIf(!canFetch)('fetching', () => {
  const codename = /^VERSION_CODENAME="?([^"\n]*)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  /** What an update of the machine would read from an archive: such lines as apt prints. */
  const main = (mirror: string, suite = codename, component = 'main') =>
    `'${mirror}/dists/${suite}/${component}/binary-amd64/Packages.xz' stand-in_Packages 0 `;

  /** Stand-ins for the package client; each call leaves a line in `calls`. */
  function packages({
    version = '2.10.27',
    uris = [main('http://mirror.example/debian')],
    update = '',
    download = '',
    unpack = '',
  } = {}): {
    path: string;
    calls: () => string[];
  } {
    const path = newFolder();
    const log = join(path, 'calls');
    writeFileSync(log, '');
    const say = `echo "$(basename "$0") $*" >> ${log}`;
    const last = 'for last in "$@"; do :; done';
    program('dpkg', 'echo amd64', path);
    program(
      'apt-get',
      `${say}; ${last}
case "$*" in
  *--print-uris*) cat <<'.'
${uris.join('\n')}
.
  ;;
  *update*) ${update || ':'} ;;
  *download*) ${download || 'echo package > nats-server_1_amd64.deb'} ;;
esac`,
      path,
    );
    program(
      'dpkg-deb',
      `${say}; ${last}
${unpack || `mkdir -p "$last/usr/sbin"; printf '#!/bin/sh\\necho "nats-server: v${version}"\\n' > "$last/usr/sbin/nats-server"`}`,
      path,
    );
    return { path, calls: () => readFileSync(log, 'utf8').trim().split('\n') };
  }

  test('is done once, with the mirror of the machine and a state of its own, and leaves only the program', async () => {
    const dataDir = newFolder();
    mkdirSync(join(dataDir, 'nats-server.new-torn', 'apt'), { recursive: true });
    mkdirSync(join(dataDir, 'nats-server'));
    writeFileSync(join(dataDir, 'nats-server', 'nats-server'), '\0torn', { mode: 0o755 });
    const { path, calls } = packages({
      update:
        'cat "$3" > "$(dirname "$3")/../../conf"; cp "$(dirname "$3")/sources.list" "$(dirname "$3")/../../sources"',
    });
    const lines: string[] = [];
    const many = await Promise.all(Array.from({ length: 4 }, () => find({ path, dataDir, lines })));
    for (const one of many) {
      expect(one).toEqual({ path: join(dataDir, 'nats-server', 'nats-server'), version: '2.10.27' });
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^Fetching nats-server from the packages of \w+ \(about 15 MB, once\)$/);
    expect(calls().filter(call => call.includes('download'))).toHaveLength(1);
    expect(readFileSync(join(dataDir, 'sources'), 'utf8')).toMatch(
      /^deb \[arch=amd64 target=Packages pdiffs=no( signed-by=\S+)?\] http:\/\/mirror\.example\/debian (trixie main|resolute universe)\n$/,
    );
    // nothing of the system is written to, and nothing that it wants done after an update is run
    const configuration = readFileSync(join(dataDir, 'conf'), 'utf8');
    for (const name of [
      'Dir::State',
      'Dir::State::status',
      'Dir::Cache',
      'Dir::Log',
      'Dir::Etc::SourceList',
    ]) {
      expect(configuration).toContain(`${name} "${dataDir}/nats-server.new-`);
    }
    expect(configuration).toContain('#clear APT::Update;');
    expect(readdirSync(dataDir).sort()).toEqual(['conf', 'nats-server', 'sources']);
    expect(readdirSync(join(dataDir, 'nats-server'))).toEqual(['nats-server']);
  });

  /** The mirrors that were asked, when each of them fails. */
  async function asked(uris: string[]): Promise<{ mirrors: string[]; sentence: string }> {
    const dataDir = newFolder();
    const list = join(newFolder(), 'asked');
    writeFileSync(list, '');
    const { path } = packages({
      uris,
      update: `cat "$(dirname "$3")/sources.list" >> ${list}; echo "E: 404 of $(wc -l < ${list})" >&2; exit 100`,
    });
    const said = await sentence({ path, dataDir });
    expect(readdirSync(dataDir)).toEqual([]);
    const mirrors = [...readFileSync(list, 'utf8').matchAll(/^deb \[.*?\] (\S+) /gm)];
    return { mirrors: mirrors.map(([, mirror = '']) => mirror), sentence: said };
  }

  test('only mirrors of the machine are asked: those of its own release, one after the other', async () => {
    const uris = [
      `'http://mirror.example/debian/dists/${codename}/InRelease' stand-in_InRelease 0 `,
      main('http://vendor.example/stuff'),
      main('http://vendor.example/debian', codename, 'stable'),
      main('http://security.example/debian', `${codename}-security`),
      main('file:/mnt/debian'),
      main('https://me:hunter2@mirror.example/debian'),
      main('https://me:hunter2@mirror.example/debian'),
      main('mirror+file:/etc/mirrors/ubuntu'),
      main('http://other.example/ubuntu-ports/'),
    ];
    const several = await asked(uris);
    expect(several.mirrors).toEqual([
      'https://me:hunter2@mirror.example/debian',
      'mirror+file:/etc/mirrors/ubuntu',
      'http://other.example/ubuntu-ports',
    ]);
    expect(several.sentence).toContain('could not fetch one from https://mirror.example/debian: 404 of 1)');

    const odd = await asked([
      main('http://cache.example/packages/remote'),
      main('http://elsewhere.example/d'),
    ]);
    expect(odd.mirrors).toEqual(['http://cache.example/packages/remote', 'http://elsewhere.example/d']);
  });

  test('a mirror without the suite: the next one', async () => {
    const second = packages({
      uris: [main('http://mirror.example/debian'), main('http://other.example/debian')],
      update:
        'grep -q mirror.example "$(dirname "$3")/sources.list" && echo "E: The repository does not have a Release file. 404" >&2 && exit 100; :',
    });
    expect((await find({ path: second.path })).version).toBe('2.10.27');
    expect(second.calls().filter(call => call.includes('-c') && call.includes(' update'))).toHaveLength(2);
  });

  test('none at all, or nobody reached: one sentence that says what to do', async () => {
    const how =
      'install nats-server 2.10.23 or newer (https://nats.io/download) and put it on PATH or name it in NATS_SERVER_BIN, or set NATS_URL to a running cluster.';
    for (const uris of [[], [main('http://vendor.example/debian', 'other')]]) {
      const none = packages({ uris });
      const lines: string[] = [];
      expect(await sentence({ path: none.path, lines })).toBe(
        `There is no usable nats-server (none on PATH, and the package sources of this machine name no mirror to fetch one from): ${how}`,
      );
      expect(none.calls()).toEqual(['apt-get -q --print-uris update']);
      expect(lines).toEqual([]);
    }
    const dataDir = newFolder();
    const offline = packages({ update: 'echo "W: Failed to fetch http://x  Could not resolve" >&2' });
    expect(await sentence({ path: offline.path, dataDir })).toBe(
      `There is no usable nats-server (the package client could not fetch one from http://mirror.example/debian: Failed to fetch http://x  Could not resolve): ${how}`,
    );
    expect(readdirSync(dataDir)).toEqual([]);
  });

  test('a package that is torn, empty or too old is not taken', async () => {
    const cases: [Parameters<typeof packages>[0], RegExp][] = [
      [{ download: 'exit 100' }, /could not fetch one from \S+: ended with code 100/],
      [{ download: ':' }, /brought no package/],
      [{ unpack: 'exit 2' }, /cannot be unpacked/],
      [{ unpack: 'mkdir -p "$last"' }, /has no nats-server in it/],
      [
        { unpack: 'mkdir -p "$last/usr/sbin"; echo torn > "$last/usr/sbin/nats-server"' },
        /it does not run on this machine/,
      ],
      [{ version: '2.10.1' }, /one was fetched, but its version is 2\.10\.1/],
    ];
    for (const [what, words] of cases) {
      const dataDir = newFolder();
      expect(await sentence({ path: packages(what).path, dataDir })).toMatch(words);
      expect(readdirSync(dataDir)).toEqual([]);
      // and the next start, with a good one, gets it
      expect((await find({ path: packages().path, dataDir })).version).toBe('2.10.27');
    }
  });
});
