// Numbers for people.

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

// 4,096 -> "4.1k"
export function shortCount(value: number): string {
  if (value < 1000) return String(Math.round(value));
  const units: [number, string][] = [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']];
  const [size, unit] = units.find(([limit]) => value >= limit * 0.9995)!;
  const scaled = value / size;
  return `${scaled < 99.95 ? scaled.toFixed(1).replace(/\.0$/, '') : Math.round(scaled)}${unit}`;
}

export function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[unit]}`;
}

export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// Whole seconds: an estimate has no tenths.
export function timeLeft(seconds: number): string {
  return seconds < 59.5 ? `${Math.max(1, Math.round(seconds))} s` : duration(seconds * 1000);
}

export function rate(value: number): string {
  return value >= 100 ? count(value) : value.toFixed(1);
}

export function percent(share: number): string {
  const value = Math.min(1, Math.max(0, share)) * 100;
  return `${value > 0 && value < 1 ? '<1' : Math.round(value)} %`;
}

export function prettyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // still streaming, or cut off
  }
}
