using System.Collections;
using System.Globalization;
using System.Text;
using Tessera.Data.Transforms;

namespace Tessera.Training.Recipes;

/// <summary>Writes records as the YAML that binds to equal ones: every field, also those that have their default.</summary>
internal sealed class RecipeWriter
{
    private const int Width = 100;

    private readonly bool absolutePaths;

    private RecipeWriter(bool absolutePaths) => this.absolutePaths = absolutePaths;

    /// <summary>The YAML.</summary>
    /// <param name="record">What is written.</param>
    /// <param name="head">Text in front of it.</param>
    /// <param name="absolutePaths">Whether files and folders are named so that the folder in which it is read does not matter.</param>
    internal static string Write(object record, string head, bool absolutePaths)
    {
        var text = new StringBuilder(head);
        var writer = new RecipeWriter(absolutePaths);
        foreach (var (name, value) in writer.Fields(record))
            if (value is not null)
                writer.Field(text, name, value, 0);
        return text.ToString();
    }

    private void Field(StringBuilder text, string name, object value, int indent)
    {
        // One view is written as the list that it is.
        if (value is Augmentation { Views: [var only] })
            value = only;
        var flow = Flow(value, named: true);
        if (value is string or ValueType or RecipeNode || indent + name.Length + flow.Length + 2 <= Width)
        {
            text.Append(' ', indent).Append(name).Append(": ").Append(flow).Append('\n');
            return;
        }
        text.Append(' ', indent).Append(name).Append(":\n");
        if (value is IEnumerable list)
            foreach (var item in list)
                text.Append(' ', indent + 2).Append("- ").Append(Flow(item, named: false)).Append('\n');
        else
            foreach (var (field, inner) in NamedFields(value))
                if (inner is not null)
                    Field(text, field, inner, indent + 2);
    }

    private string Flow(object value, bool named) =>
        value switch
        {
            string s => Text(s),
            RecipeValue given => given.IsNull ? "null" : Text(given.Text),
            RecipeList given => $"[{string.Join(", ", given.Items.Select(item => Flow(item, named: false)))}]",
            RecipeMap given =>
                $"{{ {string.Join(", ", given.Fields.Select(field => $"{Text(field.Name)}: {Flow(field.Node, named: true)}"))} }}",
            bool b => b ? "true" : "false",
            Enum e => RecipeShape.Snake(e.ToString()),
            double d => d.ToString("R", CultureInfo.InvariantCulture),
            IFormattable number and ValueType => number.ToString(null, CultureInfo.InvariantCulture),
            IEnumerable list => $"[{string.Join(", ", list.Cast<object>().Select(item => Flow(item, named: false)))}]",
            _ => named ? Map(NamedFields(value)) : Short(value),
        };

    // In lists: crop: { pad: 4 }, or only flip.
    private string Short(object record)
    {
        if (RecipeShape.ChoiceName(record.GetType()) is not { } name)
            return Map(Fields(record));
        var fields = Fields(record).Where(f => f.Value is not null).ToArray();
        return fields.Length == 0 ? name : $"{name}: {Map(fields)}";
    }

    private string Map(IEnumerable<(string Name, object? Value)> fields)
    {
        var inner = string.Join(", ", fields.Where(f => f.Value is not null).Select(f => $"{f.Name}: {Flow(f.Value!, named: true)}"));
        return inner.Length == 0 ? "{}" : $"{{ {inner} }}";
    }

    private IEnumerable<(string Name, object? Value)> NamedFields(object record) =>
        RecipeShape.ChoiceName(record.GetType()) is { } name ? Fields(record).Prepend((RecipeShape.NameField, name)) : Fields(record);

    private IEnumerable<(string Name, object? Value)> Fields(object record) =>
        RecipeShape
            .Fields(record)
            .Select(field =>
                (
                    RecipeShape.FieldName(field.Parameter),
                    absolutePaths && field.Value is string path && RecipeShape.Attributes<RecipePathAttribute>(field.Parameter).Any()
                        ? Path.GetFullPath(path)
                        : field.Value
                )
            );

    private static string Text(string value)
    {
        var plain =
            value.Length > 0
            && value != "~"
            && value != "null"
            && value[0] is not ('-' or '.')
            && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/' or '+');
        if (plain)
            return value;
        var quoted = new StringBuilder("\"");
        foreach (var c in value)
            quoted.Append(
                c switch
                {
                    '"' => "\\\"",
                    '\\' => @"\\",
                    '\n' => "\\n",
                    '\r' => "\\r",
                    '\t' => "\\t",
                    _ when char.IsControl(c) || c is '\u2028' or '\u2029' or '\uFEFF' || char.IsSurrogate(c) => c < 0x100
                        ? $"\\x{(int)c:x2}"
                        : $"\\u{(int)c:x4}",
                    _ => c.ToString(),
                }
            );
        return quoted.Append('"').ToString();
    }
}
