/**
 * What Redis does for the matcher's question: each fix is a GEOADD of the mover and a GEOSEARCH of the other role around
 * him, over a plain socket, many commands in flight, which were made before; in the order in which a tick is matched
 * here, region by region. What counts is the time of the server's own thread, as the matcher is measured by its thread's:
 * what the socket makes it wait for does not count. A peer for the bench, nothing that the product uses.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { cellOf } from '../../actors/geo/grid.ts';
import type { Report } from '../bench.ts';
import { stopOnSignal } from '../swarm/cleanup.ts';
import { seeded } from '../tracks/seeded.ts';
import type { Ground } from './matchCrowd.ts';
import { CENTRE } from './matchCrowd.ts';

const SEARCH_M = 40;
const PIPELINE = 500;
const STEP_M = 14;
const METRES_PER_DEGREE = 111_195;

const freePort = (): Promise<number> =>
  new Promise(done => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });

const bulk = (...words: readonly (string | number)[]): string =>
  `*${words.length}\r\n${words.map(word => `$${String(word).length}\r\n${word}\r\n`).join('')}`;

/** Counts answers; knows just enough of RESP to see where one ends. */
class Answers {
  #text = '';
  #left = 0;
  #done: (() => void) | null = null;
  #fail: ((error: Error) => void) | null = null;

  constructor(socket: Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#text += text;
      this.#read();
    });
    socket.on('error', error => this.#fail?.(error));
  }

  take(count: number): Promise<void> {
    this.#left = count;
    return new Promise((done, fail) => {
      this.#done = done;
      this.#fail = fail;
      this.#read();
    });
  }

  #read(): void {
    let at = 0;
    while (this.#left > 0) {
      const end = this.#end(at);
      if (end < 0) break;
      if (this.#text[at] === '-') this.#fail?.(new Error(this.#text.slice(at + 1, end - 2)));
      at = end;
      this.#left--;
    }
    this.#text = this.#text.slice(at);
    if (this.#left === 0) this.#done?.();
  }

  /** Where the answer that begins here ends; -1 when it is not all there. */
  #end(at: number): number {
    const line = this.#text.indexOf('\r\n', at);
    if (line < 0) return -1;
    const count = Number(this.#text.slice(at + 1, line));
    if (this.#text[at] === '$') {
      const end = count < 0 ? line + 2 : line + 2 + count + 2;
      return end <= this.#text.length ? end : -1;
    }
    if (this.#text[at] !== '*') return line + 2;
    let next = line + 2;
    for (let i = 0; i < count && next >= 0; i++) next = this.#end(next);
    return next;
  }
}

async function opened(port: number): Promise<Socket> {
  for (let tries = 0; ; tries++) {
    try {
      return await new Promise((done, fail) => {
        const socket: Socket = connect(port, '127.0.0.1', () => done(socket)).on('error', fail);
      });
    } catch (error) {
      if (tries === 50) throw error;
      await pause(100);
    }
  }
}

/** Seconds of the server's own thread so far. */
async function cpuS(port: number): Promise<number> {
  const socket = await opened(port);
  const text = await new Promise<string>((done, fail) => {
    let heard = '';
    socket.setEncoding('latin1').on('error', fail);
    socket.on('data', (part: string) => {
      heard += part;
      if (/used_cpu_user_main_thread:\S+\r\n/.test(heard)) done(heard);
    });
    socket.write(bulk('INFO', 'cpu'));
  });
  socket.destroy();
  const named = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(text)![1]);
  return named('used_cpu_sys_main_thread') + named('used_cpu_user_main_thread');
}

async function drive(port: number, ground: Ground): Promise<number> {
  const socket = await opened(port);
  const answers = new Answers(socket);
  const chance = seeded(1);
  const say = async (commands: readonly string[]): Promise<void> => {
    for (let i = 0; i < commands.length; i += PIPELINE) {
      const some = commands.slice(i, i + PIPELINE);
      const answered = answers.take(some.length);
      socket.write(some.join(''));
      await answered;
    }
  };
  const lngScale = Math.cos((CENTRE.lat * Math.PI) / 180);
  const people = Array.from({ length: ground.people }, (_, i) => {
    const lat = CENTRE.lat + chance.between(0, ground.edgeM) / METRES_PER_DEGREE;
    const lng = CENTRE.lng + chance.between(0, ground.edgeM) / METRES_PER_DEGREE / lngScale;
    const isOfficer = chance.next() < ground.officerShare;
    return { name: `p${i}`, lat, lng, isOfficer, region: cellOf(lat, lng) };
  });
  people.sort((a, b) => a.region - b.region);
  const keyOf = (officers: boolean): string => (officers ? 'officers' : 'civilians');
  await say(
    people.map(one => bulk('GEOADD', keyOf(one.isOfficer), one.lng.toFixed(7), one.lat.toFixed(7), one.name)),
  );
  const moves = people.flatMap(({ name, isOfficer, ...at }) => {
    const lat = (at.lat + chance.between(-STEP_M, STEP_M) / METRES_PER_DEGREE).toFixed(7);
    const lng = (at.lng + chance.between(-STEP_M, STEP_M) / METRES_PER_DEGREE / lngScale).toFixed(7);
    const search = ['FROMLONLAT', lng, lat, 'BYRADIUS', SEARCH_M, 'm', 'WITHDIST'];
    return [
      bulk('GEOADD', keyOf(isOfficer), lng, lat, name),
      bulk('GEOSEARCH', keyOf(!isOfficer), ...search),
    ];
  });
  const beganS = await cpuS(port);
  await say(moves);
  const tookS = (await cpuS(port)) - beganS;
  socket.destroy();
  return Math.round(people.length / tookS);
}

/** Updates per second of the server's own time (GEOADD and GEOSEARCH each); null when there is no redis-server. */
export async function redisPace(ground: Ground, report: Report): Promise<number | null> {
  const found = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (found.error || found.status !== 0) {
    report('Redis is skipped: no redis-server on PATH (apt-get install redis-server).');
    return null;
  }
  report(found.stdout.trim());
  const dir = mkdtempSync(join(tmpdir(), 'heyblue-redis-'));
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    dir,
  ];
  const server: ChildProcess = spawn('redis-server', args, { stdio: 'ignore' });
  const stop = stopOnSignal(async () => {
    server.kill('SIGTERM');
    if (server.exitCode === null) await new Promise(done => server.once('exit', done));
    rmSync(dir, { recursive: true, force: true });
  });
  try {
    return await drive(port, ground);
  } finally {
    await stop();
  }
}
