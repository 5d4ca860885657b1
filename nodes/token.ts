/**
 * Names that nobody had before: of incarnations, fresh with every start, so that nothing meant for a dead node reaches
 * its successor, and of writes, so that each is known again by who wrote it.
 */
import type { Random } from './ports.ts';

/** 16 hexadecimal characters. */
export function freshToken(random: Random): string {
  const half = (): string => random.uint32().toString(16).padStart(8, '0');
  return half() + half();
}
