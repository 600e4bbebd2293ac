namespace Tessera.Models;

/// <summary>A supernet whose networks are paths: each takes one of several candidates at every place.</summary>
public interface IPathSearchable : ISearchable<IReadOnlyList<int>>
{
    /// <summary>Number of candidates at every place.</summary>
    IReadOnlyList<int> Choices { get; }
}
