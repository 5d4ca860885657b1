/** The bytes of a command, for phones that are not ours. */
import { encodeBody } from '../../../protocol/body.ts';
import { COMMANDS, type Command } from '../../../protocol/catalogue.ts';
import { encodeClientFrame } from '../../../protocol/codec.ts';
import type { LastSaid } from './app.ts';

export const frameOfCommand = (cid: number, { name, body, idem }: LastSaid): Uint8Array => {
  const { code: op, body: fields } = COMMANDS[name] as Command;
  return encodeClientFrame({ type: 'command', cid, op, body: encodeBody(fields, body as never), idem });
};
