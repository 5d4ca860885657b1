/** Starts and stops the bare echo server beside which positions are measured. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface EchoServer {
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

export const startEchoServer = async (): Promise<EchoServer> => {
  const child = fork(fileURLToPath(new URL('./echo.ts', import.meta.url)), [], {
    execPath: process.execPath,
    execArgv: ['--no-warnings'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message.port));
    child.once('exit', code => reject(new Error(`the echo server ended with code ${code}`)));
  });
  return {
    pid: child.pid!,
    url: `ws://127.0.0.1:${port}/`,
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
};
