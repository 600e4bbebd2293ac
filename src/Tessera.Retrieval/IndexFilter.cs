namespace Tessera.Retrieval;

/// <summary>A condition on the fields of items, as in <c>class=shoe and year&gt;=2000</c>.</summary>
/// <remarks>
/// Comparisons are <c>=</c>, <c>!=</c>, <c>&lt;</c>, <c>&lt;=</c>, <c>&gt;</c>, <c>&gt;=</c> and <c>in (a, b)</c>; <c>not</c>,
/// <c>and</c>, <c>or</c> and parentheses join them, <c>not</c> first and <c>or</c> last. Fields and values with spaces or signs stand in
/// double quotes, where <c>\"</c> is a quote and <c>\\</c> a backslash. <c>name</c> is an item's name and <c>id</c> its id. Two numbers
/// are compared as numbers, everything else as text, character by character. An item without the field matches no comparison of it,
/// not even <c>!=</c>. After <c>&lt;</c> and its like, a number matches only fields that are numbers.
/// </remarks>
public sealed class IndexFilter
{
    private readonly string text;
    private readonly FilterCondition condition;

    private IndexFilter(string text, FilterCondition condition, IReadOnlyCollection<string> fields) =>
        (this.text, this.condition, Fields) = (text, condition, fields);

    /// <summary>The fields that it asks for, without <c>name</c> and <c>id</c>.</summary>
    internal IReadOnlyCollection<string> Fields { get; }

    /// <summary>Reads a condition.</summary>
    /// <param name="text">The condition.</param>
    /// <exception cref="IndexException">It cannot be read; the message says where.</exception>
    public static IndexFilter Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parser = new FilterParser(text);
        return new(text, parser.ParseAll(), parser.Fields);
    }

    internal bool Matches(ItemView item, long id) => condition.Holds(item, id);

    /// <summary>The condition as it was written.</summary>
    public override string ToString() => text;
}
