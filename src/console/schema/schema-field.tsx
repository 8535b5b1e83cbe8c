/** One place of a document as fields of a form, by its schema; with what the API says of it. */
import { useContext } from 'preact/hooks'
import { EitherField, ListField, MapField, ObjectField } from './compound-fields.tsx'
import { type FieldProps, FormContext } from './form-context.tsx'
import { LinesField, TextField, WordsField } from './plain-fields.tsx'
import { type Schema, type Schemas, shapeOf } from './shape.ts'

export function SchemaField(props: FieldProps) {
  const { schemas } = useContext(FormContext)
  const shape = shapeOf(props.schema, schemas)
  switch (shape.kind) {
    case 'text':
      return <TextField {...props} shape={shape} />
    case 'words':
      return <WordsField {...props} words={shape.words} />
    case 'object':
      return <ObjectField {...props} shape={shape} />
    case 'map':
      return <MapField {...props} of={shape.of} />
    case 'list':
      return isPlain(shape.of, schemas) ? (
        <LinesField {...props} of={shape.of} />
      ) : (
        <ListField {...props} of={shape.of} />
      )
    case 'either':
      return <EitherField {...props} of={shape.of} />
  }
}

const isPlain = (schema: Schema, schemas: Schemas) =>
  ['text', 'words'].includes(shapeOf(schema, schemas).kind)
