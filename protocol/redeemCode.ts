/**
 * Codes of redemptions: eight characters that a customer reads out and a cashier types, in Crockford's base32, where no two
 * characters look alike and case does not matter. The picture says more, `HBR1.MERCHANT.CODE`, so that the till of another
 * merchant knows at once that it is not his. Nothing of it is secret for longer than a redemption waits: who guesses is
 * stopped by the till (domain study 5.3).
 */
import { isUuid } from './ids.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const REDEEM_CODE_LENGTH = 8;
const PREFIX = 'HBR1.';

/** A code from 40 random bits: one in 10^12 to guess, of the few that wait at a merchant. */
export const redeemCode = (random32: number, more32: number): string => {
  let text = '';
  for (let i = 0; i < 6; i++) text += ALPHABET[(random32 >>> (i * 5)) & 31];
  return `${text}${ALPHABET[more32 & 31]}${ALPHABET[(more32 >>> 5) & 31]}`;
};

/** As somebody typed it, in the one way in which it is compared; null when it can be no code. */
export const typedCode = (text: string): string | null => {
  if (/[^\x20-\x7e]/.test(text)) return null;
  const plain = text.toUpperCase().replace(/[\s-]/g, '').replace(/[IL]/g, '1').replace(/O/g, '0');
  if (plain.length !== REDEEM_CODE_LENGTH) return null;
  for (const character of plain) if (!ALPHABET.includes(character)) return null;
  return plain;
};

/** Upper case throughout: the QR alphabet with 5.5 bits a character. */
export const redeemText = (merchant: string, code: string): string =>
  `${PREFIX}${merchant.toUpperCase()}.${code}`;

/** What a till scanned or typed. `merchant` null: only a code was given. Null: neither. */
export const readRedeemText = (
  text: string,
): { readonly merchant: string | null; readonly code: string } | null => {
  const whole = text.trim();
  if (!whole.toUpperCase().startsWith(PREFIX)) {
    const code = typedCode(whole);
    return code === null ? null : { merchant: null, code };
  }
  const [merchant = '', typed = '', ...more] = whole.slice(PREFIX.length).split('.');
  const code = typedCode(typed);
  if (code === null || more.length > 0 || !isUuid(merchant)) return null;
  return { merchant: merchant.toLowerCase(), code };
};
