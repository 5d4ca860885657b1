/** Processor time of this machine, taken by processes that do nothing but that. */
import { spawn } from 'node:child_process';
import { exitOf, signal } from '../../infra/embedded/processes.ts';
import type { Hit } from './target.ts';

const BURN = 'for (;;) {}';

export interface Burners {
  /** So many more of them; 0: ends all. */
  burn(processes: number): Hit;
  /** Ends all, and waits until they are gone. */
  cool(): Promise<void>;
}

export const burners = (): Burners => {
  const burning = new Map<number, Promise<string>>();
  const cool = async (): Promise<void> => {
    for (const pid of burning.keys()) signal(pid, 'SIGKILL');
    await Promise.all(burning.values());
    burning.clear();
  };
  return {
    burn: processes => {
      if (processes === 0) void cool();
      for (let i = 0; i < processes; i++) {
        const child = spawn(process.execPath, ['-e', BURN], { stdio: 'ignore' });
        const exited = exitOf(child);
        if (child.pid !== undefined) burning.set(child.pid, exited);
      }
      return { targets: ['machine'], what: `${processes} busy processes`, counts: { processes } };
    },
    cool,
  };
};
