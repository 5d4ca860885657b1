/**
 * What a process of ours costs, seen from outside: CPU and memory of the server apart from those of the generator.
 * Linux tells in /proc; elsewhere the node's own metrics do.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

let ticksPerSecond = 0;
const hertz = (): number => {
  if (ticksPerSecond === 0) {
    try {
      ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;
    } catch {
      ticksPerSecond = 100;
    }
  }
  return ticksPerSecond;
};

/** CPU seconds (user and system, all threads) of a process so far; null where /proc does not exist. */
export const procCpuSeconds = (pid: number): number | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the name in parentheses and may contain anything; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / hertz();
  } catch {
    return null;
  }
};

/** Value of a metric without labels on a Prometheus page; null when it is not there. */
export const metricOf = (page: string, name: string): number | null => {
  const line = page.split('\n').find(one => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  return line === undefined ? null : Number(line.slice(line.lastIndexOf(' ') + 1));
};

/** CPU seconds of the node with this pid, by /proc or by its metrics page. */
export const cpuSecondsOf = async (pid: number, adminUrl: string): Promise<number> => {
  const fromProc = procCpuSeconds(pid);
  if (fromProc !== null) return fromProc;
  const page = await (await fetch(`${adminUrl}/metrics`)).text();
  const cpu = metricOf(page, 'process_cpu_seconds_total');
  if (cpu === null) throw new Error('the node tells nothing about its CPU time');
  return cpu;
};
