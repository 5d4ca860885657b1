/** A token as a picture: SVG for pages, PNG for posters and e-mail, characters for a terminal. Node only. */
import QRCode from 'qrcode';

/** Quiet zone of four modules, as the standard asks; error correction M survives a smudged screen. */
const LOOK = { errorCorrectionLevel: 'M', margin: 4 } as const;
const SCALE_MIN = 4;

// Naming the mode keeps the code small whatever the library guesses: base45 is made for it.
const segments = (text: string): QRCode.QRCodeSegment[] => [{ data: text, mode: 'alphanumeric' }];

/** An SVG document. */
export const qrSvg = (text: string): Promise<string> =>
  QRCode.toString(segments(text), { ...LOOK, type: 'svg' });

/** A PNG as a `data:image/png;base64,` URL; `scale` is pixels per module, at least 4. */
export const qrPngDataUrl = (text: string, scale = 8): Promise<string> =>
  QRCode.toDataURL(segments(text), { ...LOOK, type: 'image/png', scale: Math.max(SCALE_MIN, scale) });

/** Half-block characters, black on white with the full quiet zone, for a terminal of any colour. */
export const qrTerminal = (text: string): string => {
  const { size, data } = QRCode.create(segments(text), LOOK).modules;
  const dark = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < size && y < size && data[y * size + x] === 1;
  const lines: string[] = [];
  for (let y = -LOOK.margin; y < size + LOOK.margin; y += 2) {
    let line = '';
    for (let x = -LOOK.margin; x < size + LOOK.margin; x++) {
      line += ' ▀▄█'[(dark(x, y) ? 1 : 0) + (dark(x, y + 1) ? 2 : 0)];
    }
    lines.push(`\x1b[47m\x1b[30m${line}\x1b[0m`);
  }
  return lines.join('\n');
};
