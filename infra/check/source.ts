/**
 * A TypeScript source with its words taken apart: what is code, and which strings stand where.
 *
 * Enough of a scanner to find imports and calls without being fooled by comments, strings, templates and regular
 * expressions; no parser, so that the check of the arrows stays small and takes milliseconds.
 */

export interface Text {
  value: string;
  /** Index of its first character behind the quote. */
  at: number;
}

export interface Source {
  /** As long as the file, with comments, strings and regular expressions blanked; line breaks stay. */
  code: string;
  /** Every string without a `${}` in it. */
  texts: Text[];
}

/** After one of these a slash begins a regular expression; after a name, number or closing bracket it divides. */
const BEFORE_REGEX =
  /(?:^|[([{,;:=!&|?+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield))\s*$/;

class Scanner {
  private readonly text: string;
  private readonly code: string[];
  private readonly texts: Text[] = [];
  private at = 0;

  constructor(text: string) {
    this.text = text;
    this.code = [...Array.from({ length: text.length }, (_, at) => text[at]!)];
  }

  private blank(from: number, to: number): void {
    for (let at = from; at < to && at < this.code.length; at++)
      if (this.code[at] !== '\n') this.code[at] = ' ';
  }

  private skip(to: number): void {
    this.blank(this.at, to);
    this.at = to;
  }

  private endOf(mark: string, from: number): number {
    const found = this.text.indexOf(mark, from);
    return found < 0 ? this.text.length : found;
  }

  private string(quote: string): void {
    const start = this.at + 1;
    let end = start;
    while (end < this.text.length && this.text[end] !== quote && this.text[end] !== '\n') {
      end += this.text[end] === '\\' ? 2 : 1;
    }
    this.texts.push({ value: this.text.slice(start, end), at: start });
    this.blank(start, end);
    this.at = end + 1;
  }

  private template(): void {
    const start = this.at + 1;
    let plain = start;
    let isWhole = true;
    this.at = start;
    while (this.at < this.text.length && this.text[this.at] !== '`') {
      if (this.text[this.at] === '\\') this.at += 2;
      else if (this.text.startsWith('${', this.at)) {
        isWhole = false;
        this.blank(plain, this.at);
        this.at += 2;
        this.scan('}');
        plain = this.at;
      } else this.at++;
    }
    if (isWhole) this.texts.push({ value: this.text.slice(start, this.at), at: start });
    this.blank(plain, this.at);
    this.at++;
  }

  private isRegex(): boolean {
    const before = this.code.slice(Math.max(0, this.at - 40), this.at).join('');
    return BEFORE_REGEX.test(before);
  }

  private regex(): void {
    let end = this.at + 1;
    let inClass = false;
    while (end < this.text.length && this.text[end] !== '\n' && (inClass || this.text[end] !== '/')) {
      if (this.text[end] === '[') inClass = true;
      if (this.text[end] === ']') inClass = false;
      end += this.text[end] === '\\' ? 2 : 1;
    }
    this.skip(end + 1);
  }

  /** Reads code up to the closing bracket `until` of a template's hole, or to the end. */
  private scan(until: string | null): void {
    let depth = 0;
    while (this.at < this.text.length) {
      const here = this.text[this.at]!;
      if (this.text.startsWith('//', this.at)) this.skip(this.endOf('\n', this.at));
      else if (this.text.startsWith('/*', this.at)) this.skip(this.endOf('*/', this.at + 2) + 2);
      else if (here === "'" || here === '"') this.string(here);
      else if (here === '`') this.template();
      else if (here === '/' && this.isRegex()) this.regex();
      else {
        if (here === '{') depth++;
        if (here === '}') {
          if (until !== null && depth === 0) {
            this.at++;
            return;
          }
          depth--;
        }
        this.at++;
      }
    }
  }

  run(): Source {
    this.scan(null);
    return { code: this.code.join(''), texts: this.texts };
  }
}

export function takeApart(text: string): Source {
  return new Scanner(text).run();
}

export interface Import {
  specifier: string;
  at: number;
  /** `import type`: gone when the program runs. */
  typeOnly: boolean;
}

const BEFORE_SPECIFIER =
  /\b(?:from|import|import\s*\(|require\s*\(|require\.resolve\s*\(|import\.meta\.resolve\s*\()\s*$/;
const TYPE_ONLY = /\b(?:import|export)\s+type\b[^;'"]*\bfrom\s*$/;

/** Every import, export-from, dynamic import and require with a fixed name. */
export function importsOf(source: Source): Import[] {
  const imports: Import[] = [];
  for (const { value, at } of source.texts) {
    const statement = source.code.slice(0, at - 1);
    const near = statement.slice(-40);
    if (!BEFORE_SPECIFIER.test(near)) continue;
    const from = Math.max(statement.lastIndexOf('import'), statement.lastIndexOf('export'));
    imports.push({ specifier: value, at, typeOnly: TYPE_ONLY.test(statement.slice(Math.max(from, 0))) });
  }
  return imports;
}

export function lineOf(text: string, at: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) line++;
  return line;
}
