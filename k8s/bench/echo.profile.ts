/** The same load as the location benchmark's, against a server that only echoes: as many sockets, the same bytes. */
import { inParallel, type Point, Walker } from '../swarm/crowd.ts';
import { positionFrame } from '../swarm/positionFrame.ts';
import { RawSocket } from '../swarm/socket.ts';
import type { Job } from '../swarm/worker.ts';

export interface EchoArgs {
  readonly url: string;
  readonly sockets: number;
  readonly centre: Point;
  readonly sideM: number;
}

export const run = async (job: Job<EchoArgs>): Promise<null> => {
  const { url, sockets: count, centre, sideM } = job.args;
  let answered = 0;
  let running = false;
  const seqs = new Uint32Array(count);
  const walkers = Array.from({ length: count }, () => new Walker(centre, sideM, job.random, Date.now()));
  const sockets: RawSocket[] = [];
  const send = (i: number): void => {
    seqs[i]!++;
    sockets[i]!.sendFrame(positionFrame(seqs[i]!, walkers[i]!.at(Date.now())));
  };
  const opened = await inParallel(
    Array.from({ length: count }, (_, i) => i),
    i =>
      new Promise<void>((resolve, reject) => {
        sockets[i] = new RawSocket({
          url,
          onOpen: resolve,
          onMessage: () => {
            answered++;
            if (running) send(i);
          },
          onClose: (_code, reason) => reject(new Error(reason)),
        });
      }),
  );
  if (opened.failed > 0) throw new Error(`${opened.failed} sockets did not open: ${opened.first}`);
  await job.barrier('connected');
  running = true;
  for (let i = 0; i < count; i++) send(i);
  await job.barrier('warm');
  job.watch.begin();
  await job.barrier('begun', answered);
  await job.barrier('ended', answered);
  running = false;
  for (const socket of sockets) socket.destroy();
  return null;
};
