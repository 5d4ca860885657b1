/**
 * What a process of ours costs, seen from outside: CPU and memory of the server apart from those of the generator.
 * Linux tells in /proc; elsewhere the node's own metrics do.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

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

/** /proc/PID/stat from its third field on: the second is a name in parentheses and may contain anything. */
const statOf = (pid: number): number[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
};

/** CPU seconds (user and system, all threads) of a process so far; null where /proc does not exist. */
export const procCpuSeconds = (pid: number): number | null => {
  try {
    // utime and stime are fields 14 and 15
    const fields = statOf(pid);
    return (fields[11]! + fields[12]!) / hertz();
  } catch {
    return null;
  }
};

/** A process and its children, which is all that PostgreSQL has; none where /proc does not exist. */
export const familyOf = (pid: number): number[] => {
  try {
    const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
    return [pid, ...pids.filter(one => parentOf(one) === pid)];
  } catch {
    return [];
  }
};

const parentOf = (pid: number): number => {
  try {
    return statOf(pid)[1]!;
  } catch {
    return -1;
  }
};

/** CPU seconds of a process, its children, and those of its children that are gone; null where /proc does not exist. */
export const familyCpuSeconds = (pid: number): number | null => {
  try {
    const [own, gone] = [procCpuSeconds(pid)!, statOf(pid)];
    const children = familyOf(pid).slice(1);
    const ended = (gone[13]! + gone[14]!) / hertz();
    return children.reduce((sum, child) => sum + (procCpuSeconds(child) ?? 0), own + ended);
  } catch {
    return null;
  }
};

/** CPU seconds of everybody on this machine so far; null where /proc does not exist. */
export const machineCpuSeconds = (): number | null => {
  try {
    const [line] = readFileSync('/proc/stat', 'latin1').split('\n', 1);
    // user, nice, system, (idle, iowait,) irq, softirq, stolen by the host
    const [user, nice, system, , , irq, soft, stolen] = line!.trim().split(/\s+/).slice(1).map(Number);
    return (user! + nice! + system! + irq! + soft! + stolen!) / hertz();
  } catch {
    return null;
  }
};

/** Bytes of a process in memory; null where /proc does not exist. */
export const procRssBytes = (pid: number): number | null => {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))!;
    return Number(kib) * 1_024;
  } catch {
    return null;
  }
};

/** Value of a metric without labels on a Prometheus page; null when it is not there. */
const metricOf = (page: string, name: string): number | null => {
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
