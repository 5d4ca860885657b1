import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { moreOpen, openFiles } from './openFiles.ts';

describe.skipIf(process.platform !== 'linux')('open files', () => {
  let server: Server | null = null;
  let socket: Socket | null = null;
  afterEach(() => {
    socket?.destroy();
    server?.close();
  });

  it('tells a socket by its port, a file by its name, and which are more than before', async () => {
    const before = openFiles(process.pid);
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const file = openSync('/dev/null', 'r');
    try {
      const now = openFiles(process.pid);
      expect(now[`listening on :${port}`]).toBe(1);
      expect(now[`to :${port}`]).toBe(1);
      const more = moreOpen(before, now);
      expect(more).toContain(`to :${port} 1 (0)`);
      expect(more).toContain('/dev/null ');
      expect(moreOpen(now, now)).toBe('');
    } finally {
      closeSync(file);
    }
  });

  it('says nothing of a process that is not there', () => {
    expect(openFiles(2 ** 30)).toEqual({});
  });
});
