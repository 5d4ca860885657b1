/**
 * Logs: JSON lines for machines, pretty ones for people at a terminal, a level of its own for every folder, and nothing
 * in them that belongs to a person (redact.ts).
 */
import pino, { type Bindings, type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevels } from '../config/index.ts';
import { redact, redactText } from './redact.ts';

/** The folders of the house, each with its own logger and level. */
export type Folder = 'protocol' | 'actors' | 'nodes' | 'gateway' | 'infra' | 'k8s';

export interface Logs {
  /** The logger of one folder: `info,gateway=debug` sets its level. */
  of(folder: Folder): Logger;
  /** Writes what is still in memory. Call before the process ends. */
  flush(): void;
}

export interface LogOptions {
  levels: LogLevels;
  format: 'auto' | 'json' | 'pretty';
  /** On every line, for example the node's id. */
  base?: Record<string, string | number>;
  /** Where lines go; default: standard output. Lines given here are JSON. */
  destination?: DestinationStream;
}

const BUFFERED_BYTES = 0;

function standardOutput(format: LogOptions['format']): DestinationStream & { flushSync?(): void } {
  const isPretty = format === 'pretty' || (format === 'auto' && process.stdout.isTTY);
  const lines = isPretty
    ? pretty({
        sync: true,
        translateTime: 'SYS:HH:MM:ss.l',
        ignore: 'pid,hostname,folder',
        messageFormat: '{folder} {msg}',
      })
    : pino.destination({ fd: 1, sync: false, minLength: BUFFERED_BYTES });
  // whoever read our output may be gone before we have stopped in good order
  lines.on('error', () => {});
  return lines;
}

export function createLogs(options: LogOptions): Logs {
  const destination = options.destination ?? standardOutput(options.format);
  const root = pino(
    {
      level: options.levels.all,
      base: options.base ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: (error: Error) => redact(pino.stdSerializers.err(error)) },
      formatters: {
        level: label => ({ level: label }),
        log: fields => redact(fields) as Record<string, unknown>,
      },
      hooks: { streamWrite: redactText },
    },
    destination,
  );
  // children inherit from the root, and pino formats what is bound to them only at the root
  const child = root.child;
  root.child = function (this: Logger, bindings: Bindings, childOptions?: object) {
    return child.call(this, redact(bindings) as Bindings, childOptions);
  } as typeof root.child;
  const folders = new Map<Folder, Logger>();
  return {
    of: folder => {
      let logger = folders.get(folder);
      if (!logger) {
        logger = root.child({ folder }, { level: options.levels.folders[folder] ?? options.levels.all });
        folders.set(folder, logger);
      }
      return logger;
    },
    flush: () => {
      if ('flushSync' in destination && typeof destination.flushSync === 'function') {
        try {
          destination.flushSync();
        } catch {
          // nothing was written yet, or the reader is gone
        }
      }
    },
  };
}
