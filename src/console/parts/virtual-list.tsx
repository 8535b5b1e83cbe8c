/**
 * A list of any length of which the browser holds what is seen and a little around it. All rows are equally high. Screen readers are told
 * how many there are and which one each is.
 */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

const around = 8

interface Props<T> {
  readonly items: readonly T[]
  readonly rowHeight: number
  readonly label: string
  readonly keyOf: (item: T) => string
  readonly children: (item: T) => ComponentChildren
}

export function VirtualList<T>({ items, rowHeight, label, keyOf, children }: Props<T>) {
  const box = useRef<HTMLDivElement>(null)
  const [[from, to], setRange] = useState([0, 30])
  useEffect(() => {
    const look = () => {
      const { top = 0 } = box.current?.getBoundingClientRect() ?? {}
      const first = Math.max(0, Math.floor(-top / rowHeight) - around)
      const last = Math.max(around, Math.ceil((innerHeight - top) / rowHeight) + around)
      setRange((range) => (range[0] === first && range[1] === last ? range : [first, last]))
    }
    look()
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', look)
    return () => {
      removeEventListener('scroll', look)
      removeEventListener('resize', look)
    }
  }, [rowHeight])
  return (
    // biome-ignore lint/a11y/useSemanticElements: of a list element each child must be an item, and most are not there
    <div
      ref={box}
      class="virtual"
      role="list"
      aria-label={label}
      style={{ height: `${items.length * rowHeight}px` }}
    >
      {items.slice(from, to).map((item, nth) => (
        // biome-ignore lint/a11y/useSemanticElements: as above
        <div
          key={keyOf(item)}
          role="listitem"
          aria-setsize={items.length}
          aria-posinset={from! + nth + 1}
          class="virtual-row"
          style={{ top: `${(from! + nth) * rowHeight}px`, height: `${rowHeight}px` }}
        >
          {children(item)}
        </div>
      ))}
    </div>
  )
}
