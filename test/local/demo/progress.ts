import { SingleBar } from 'cli-progress'

type Progress = { show(done: number): void; stop(): void }

/** A progress bar, or a plain line a second where there is no terminal. */
export function startProgress(stream: NodeJS.WriteStream, name: string, total: number): Progress {
  const bar = stream.isTTY ? '{bar} ' : ''
  const progress = new SingleBar({
    stream,
    format: `  ${name} ${bar}{percentage}% | {value} of {total} | {duration_formatted}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 1000,
  })
  progress.start(total, 0)
  return {
    show(done) {
      // Rows may have been added since the plan.
      if (done > progress.getTotal()) progress.setTotal(done)
      progress.update(done)
    },
    stop: () => progress.stop(),
  }
}
