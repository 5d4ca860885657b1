/**
 * Is this pid still the process we knew?
 *
 * A pid alone lies: after a crash it may belong to anybody. A pid with the moment the process started does not. Linux
 * tells it in /proc, other systems through `ps`. Plain JavaScript, because the launcher needs it before the install.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Field 22 of /proc/PID/stat, counted after the command name, which may hold blanks and parentheses itself. */
const START_TIME_FIELD_AFTER_NAME = 19;
const STATE_FIELD_AFTER_NAME = 0;

function ps(pid, column) {
  const answer = spawnSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' });
  return answer.status === 0 ? answer.stdout.trim() : '';
}

let bootId;
function boot() {
  if (bootId !== undefined) return bootId;
  try {
    bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    bootId = ''; // a container may hide it; the start time alone then has to do
  }
  return bootId;
}

/**
 * @param {number} pid
 * @returns {string | null} a word that no other process ever has, or null when there is no such process (or a zombie)
 */
export function processIdentity(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[STATE_FIELD_AFTER_NAME] === 'Z' || fields[STATE_FIELD_AFTER_NAME] === 'X') return null;
      return `${boot()}/${fields[START_TIME_FIELD_AFTER_NAME]}`;
    } catch {
      return null;
    }
  }
  return ps(pid, 'lstart') || null;
}

/**
 * @param {number} pid
 * @returns {string} the command line, words separated by blanks; empty when there is no such process
 */
export function processCommand(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return '';
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    } catch {
      return '';
    }
  }
  return ps(pid, 'command');
}
