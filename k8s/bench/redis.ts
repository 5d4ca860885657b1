/**
 * A Redis server of its own, without anything on disk, and a socket to it: a peer for a bench and a second oracle for
 * distances, nothing that the product uses.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../infra/embedded/ports.ts';
import { stopOnSignal } from '../swarm/cleanup.ts';

export type Reply = string | number | null | readonly Reply[];

export interface Redis {
  /** Says these commands, all at once, and waits for all replies. */
  say(commands: readonly string[]): Promise<Reply[]>;
  stop(): Promise<void>;
}

/** What `redis-server` says it is; null when there is none on the PATH. */
export function redisVersion(): string | null {
  const found = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return found.error || found.status !== 0 ? null : found.stdout.trim();
}

/** A command as it goes over the socket. */
export const command = (...words: readonly (string | number)[]): string =>
  `*${words.length}\r\n${words.map(word => `$${String(word).length}\r\n${word}\r\n`).join('')}`;

/** Knows just enough of RESP; an error reply fails all that is waited for. */
class Replies {
  #text = '';
  #at = 0;
  #left = 0;
  #read: Reply[] = [];
  #done: (replies: Reply[]) => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(socket: Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#text = this.#text.slice(this.#at) + text;
      this.#at = 0;
      this.#readOn();
    });
    socket.on('error', error => this.#fail(error));
  }

  take(count: number): Promise<Reply[]> {
    this.#left = count;
    return new Promise((done, fail) => {
      this.#done = done;
      this.#fail = fail;
      this.#readOn();
    });
  }

  #readOn(): void {
    while (this.#left > 0) {
      const begin = this.#at;
      const reply = this.#next();
      if (reply === undefined) {
        this.#at = begin;
        return;
      }
      this.#read.push(reply);
      this.#left--;
    }
    this.#done(this.#read.splice(0));
  }

  /** Undefined when it is not all there. */
  #next(): Reply | undefined {
    const end = this.#text.indexOf('\r\n', this.#at);
    if (end < 0) return undefined;
    const kind = this.#text[this.#at];
    const line = this.#text.slice(this.#at + 1, end);
    this.#at = end + 2;
    if (kind === '+') return line;
    if (kind === ':') return Number(line);
    if (kind === '-') {
      this.#fail(new Error(line));
      return null;
    }
    const length = Number(line);
    if (length < 0) return null;
    if (kind === '$') {
      this.#at += length + 2;
      return this.#at > this.#text.length ? undefined : this.#text.slice(end + 2, end + 2 + length);
    }
    const all: Reply[] = [];
    for (let i = 0; i < length; i++) {
      const one = this.#next();
      if (one === undefined) return undefined;
      all.push(one);
    }
    return all;
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

/** Throws when there is no `redis-server` ({@link redisVersion}). */
export async function startRedis(): Promise<Redis> {
  const dir = mkdtempSync(join(tmpdir(), 'heyblue-redis-'));
  const port = await freePort();
  const where = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir];
  const args = [...where, '--save', '', '--appendonly', 'no'];
  const server: ChildProcess = spawn('redis-server', args, { stdio: 'ignore' });
  const stop = stopOnSignal(async () => {
    server.kill('SIGTERM');
    if (server.exitCode === null) await new Promise(done => server.once('exit', done));
    rmSync(dir, { recursive: true, force: true });
  });
  try {
    const socket = await opened(port);
    const replies = new Replies(socket);
    return {
      say(commands) {
        const all = replies.take(commands.length);
        socket.write(commands.join(''));
        return all;
      },
      async stop() {
        socket.destroy();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
