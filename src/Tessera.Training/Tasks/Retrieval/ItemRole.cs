namespace Tessera.Training.Tasks.Retrieval;

/// <summary>What a searched item is to a query.</summary>
public enum ItemRole : byte
{
    /// <summary>Wrong: it takes a place in the ranking.</summary>
    Other,

    /// <summary>Right.</summary>
    Relevant,

    /// <summary>Neither: it is taken out of the ranking, as the query itself and junk are.</summary>
    Ignored,
}
