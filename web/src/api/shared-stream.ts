// One stream for all tabs of a browser: browsers open few connections to a server (6 with HTTP/1.1), and a stream takes one for as
// long as it lives. The tab that holds the lock reads and tells the others. Where there are no locks (plain http elsewhere than on
// this machine) each visible tab reads for itself.

export type SharedStreamOptions<Message> = {
  readonly name: string
  /** Reads until `signal` is aborted and hands on what comes. */
  readonly read: (tell: (message: Message) => void, signal: AbortSignal) => Promise<void>
  readonly onMessage: (message: Message) => void
  readonly signal: AbortSignal
}

export function joinSharedStream<Message>({ name, read, onMessage, signal }: SharedStreamOptions<Message>): void {
  if (!('locks' in navigator) || !('BroadcastChannel' in window)) {
    readWhileVisible(read, onMessage, signal)
    return
  }
  const channel = new BroadcastChannel(name)
  channel.onmessage = ({ data }: MessageEvent<Message>) => onMessage(data)
  signal.addEventListener('abort', () => channel.close())
  const tell = (message: Message) => {
    onMessage(message)
    channel.postMessage(message)
  }
  navigator.locks
    .request(name, { signal }, async () => {
      if (!signal.aborted) await read(tell, signal)
    })
    // Aborted while it waited for the lock, or the stream was refused: the session's end is told by other requests.
    .catch(() => undefined)
}

function readWhileVisible<Message>(
  read: SharedStreamOptions<Message>['read'],
  onMessage: (message: Message) => void,
  signal: AbortSignal,
): void {
  let reading: AbortController | undefined
  const look = () => {
    const isVisible = document.visibilityState === 'visible' && !signal.aborted
    if (isVisible && reading === undefined) {
      reading = new AbortController()
      void read(onMessage, reading.signal).catch(() => undefined)
    } else if (!isVisible) {
      reading?.abort()
      reading = undefined
    }
  }
  document.addEventListener('visibilitychange', look)
  signal.addEventListener('abort', () => {
    document.removeEventListener('visibilitychange', look)
    look()
  })
  look()
}
