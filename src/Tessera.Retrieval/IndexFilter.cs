namespace Tessera.Retrieval;

/// <summary>A condition on the metadata of items, as in <c>class=shoe and year&gt;=2000</c>.</summary>
public sealed class IndexFilter
{
    /// <summary>Reads a condition.</summary>
    /// <param name="text">The condition.</param>
    public static IndexFilter Parse(string text) => throw new NotImplementedException(text);
}
