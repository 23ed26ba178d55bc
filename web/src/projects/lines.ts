/** Lists as people write them: one a line. */
export const toLines = (values: string[]): string => values.join('\n');
export const fromLines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter(Boolean);
