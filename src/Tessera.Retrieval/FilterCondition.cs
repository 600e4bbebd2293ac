using System.Globalization;
using System.Text;

namespace Tessera.Retrieval;

/// <summary>A condition on an item, or several that are joined.</summary>
internal abstract class FilterCondition
{
    internal abstract bool Holds(ItemView item, long id);

    internal sealed class All(FilterCondition left, FilterCondition right) : FilterCondition
    {
        internal override bool Holds(ItemView item, long id) => left.Holds(item, id) && right.Holds(item, id);
    }

    internal sealed class Any(FilterCondition left, FilterCondition right) : FilterCondition
    {
        internal override bool Holds(ItemView item, long id) => left.Holds(item, id) || right.Holds(item, id);
    }

    internal sealed class Not(FilterCondition inner) : FilterCondition
    {
        internal override bool Holds(ItemView item, long id) => !inner.Holds(item, id);
    }

    /// <summary>A field compared with a value.</summary>
    internal sealed class Comparison(string field, string sign, string value) : FilterCondition
    {
        private readonly byte[] key = Encoding.UTF8.GetBytes(field);
        private readonly byte[] text = Encoding.UTF8.GetBytes(value);
        private readonly double? number = Number(Encoding.UTF8.GetBytes(value));
        private readonly bool isName = field == FilterParser.Name;
        private readonly bool isId = field == FilterParser.Id;

        internal override bool Holds(ItemView item, long id)
        {
            if (isId)
                return Holds(Encoding.UTF8.GetBytes(id.ToString(CultureInfo.InvariantCulture)));
            if (isName)
                return Holds(item.Name);
            return item.TryGet(key, out var found) && Holds(found);
        }

        private bool Holds(ReadOnlySpan<byte> found)
        {
            // Names of classes begin with letters: most values are no numbers, and are not tried.
            var value = number is null ? null : Number(found);
            if (sign is "=" or "!=")
                return (value is null ? found.SequenceEqual(text) : value == number) == (sign == "=");
            if (number is not null && value is null)
                return false;
            var order = value is { } left ? left.CompareTo(number!.Value) : found.SequenceCompareTo(text);
            return sign switch
            {
                "<" => order < 0,
                "<=" => order <= 0,
                ">" => order > 0,
                _ => order >= 0,
            };
        }

        private static double? Number(ReadOnlySpan<byte> text) =>
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
                ? number
                : null;
    }
}
