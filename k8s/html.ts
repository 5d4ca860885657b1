/** Text as it stands in a page: nothing of it is read as a tag or ends an attribute. */
const SIGNS: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escaped = (text: string): string => text.replace(/[&<>"]/g, sign => SIGNS[sign]!);
