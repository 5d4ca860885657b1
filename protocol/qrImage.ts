/** A token as a picture: SVG for pages, PNG for posters and e-mail, characters for a terminal. Node only. */
import QRCode from 'qrcode';
import { isHubText } from './hubToken.ts';

/** Quiet zone of four modules, as the standard asks. */
const MARGIN = 4;
/** Pixels per module of a PNG: what cameras read, and what a server draws. */
export const QR_SCALE_MIN = 4;
export const QR_SCALE_MAX = 16;

export interface QrLook {
  /** Share of the picture that may be lost: L 7 %, M 15 %, Q 25 %. Screens M, printed posters Q (study 4.9). */
  readonly level?: 'L' | 'M' | 'Q';
  /** Quiet modules around. */
  readonly margin?: number;
}

const lookOf = (text: string, { level = isHubText(text) ? 'Q' : 'M', margin = MARGIN }: QrLook = {}) => ({
  errorCorrectionLevel: level,
  margin,
});

// Naming the mode keeps the code small whatever the library guesses: base45 is made for it.
const segments = (text: string): QRCode.QRCodeSegment[] => [{ data: text, mode: 'alphanumeric' }];

/** An SVG document. */
export const qrSvg = (text: string): Promise<string> =>
  QRCode.toString(segments(text), { ...lookOf(text), type: 'svg' });

/** A PNG; `scale` is pixels per module, 4 to 16. */
export const qrPng = (text: string, scale = 8, look: QrLook = {}): Promise<Buffer> =>
  QRCode.toBuffer(segments(text), {
    ...lookOf(text, look),
    type: 'png',
    scale: Math.min(QR_SCALE_MAX, Math.max(QR_SCALE_MIN, scale)),
  });

/** Half-block characters, black on white with the full quiet zone, for a terminal of any colour. */
export const qrTerminal = (text: string): string => {
  const { size, data } = QRCode.create(segments(text), lookOf(text)).modules;
  const dark = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < size && y < size && data[y * size + x] === 1;
  const lines: string[] = [];
  for (let y = -MARGIN; y < size + MARGIN; y += 2) {
    let line = '';
    for (let x = -MARGIN; x < size + MARGIN; x++) {
      line += ' ▀▄█'[(dark(x, y) ? 1 : 0) + (dark(x, y + 1) ? 2 : 0)];
    }
    lines.push(`\x1b[47m\x1b[30m${line}\x1b[0m`);
  }
  return lines.join('\n');
};
