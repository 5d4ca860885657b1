/**
 * UTF-8 in plain code, for engines without TextEncoder and TextDecoder (React Native's, for one). As strict as
 * `TextDecoder` with `fatal`: no overlong forms, no surrogates, nothing beyond U+10FFFF, nothing cut off.
 */

const broken = (): never => {
  throw new TypeError('not UTF-8');
};

/** Smallest code point that a sequence of this many bytes may hold. */
const LEAST = [0, 0, 0x80, 0x800, 0x1_0000] as const;

/** The text of strict UTF-8. Throws a TypeError on anything else. */
export const decodeUtf8 = (bytes: Uint8Array): string => {
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i++]!;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || i + length - 1 > bytes.length) broken();
    let point = lead & (0x7f >> length);
    for (let k = 1; k < length; k++) {
      const next = bytes[i++]!;
      if ((next & 0xc0) !== 0x80) broken();
      point = (point << 6) | (next & 0x3f);
    }
    if (point < LEAST[length]! || point > 0x10_ffff || (point >= 0xd800 && point <= 0xdfff)) broken();
    text += String.fromCodePoint(point);
  }
  return text;
};

/** Appends the UTF-8 bytes of a text without lone surrogates to `out`. */
export const encodeUtf8 = (text: string, out: number[]): void => {
  for (let i = 0; i < text.length; i++) {
    const c = text.codePointAt(i)!;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 0x3f));
    else if (c < 0x1_0000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 0x3f), 0x80 | (c & 0x3f));
    else {
      out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 0x3f), 0x80 | ((c >> 6) & 0x3f), 0x80 | (c & 0x3f));
      i++;
    }
  }
};
