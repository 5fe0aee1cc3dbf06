import { readFileSync } from 'node:fs'

const everyMs = 250

/**
 * Measures a process's memory until it is told to stop.
 *
 * @returns MB: the most, and the medians of its second and last quarter, which are alike where nothing piles up.
 */
export function memoryOf(pid: number) {
  const samples: number[] = []
  const look = () => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    samples.push(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024)
  }
  const timer = setInterval(look, everyMs)
  return {
    stop() {
      clearInterval(timer)
      const quarter = Math.floor(samples.length / 4)
      return {
        mostMb: Math.round(Math.max(...samples)),
        secondQuarterMb: median(samples.slice(quarter, 2 * quarter)),
        lastQuarterMb: median(samples.slice(-quarter)),
      }
    },
  }
}

const median = (values: number[]) => Math.round(values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0)
