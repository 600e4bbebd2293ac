namespace Tessera.Training.Experiments;

/// <summary>What may be different when a run goes on.</summary>
/// <param name="Root">Folder that the data was moved to; null where it is where it was. The run keeps it.</param>
/// <param name="AcceptChangedData">Whether the run goes on with data that is not what it began with.</param>
public sealed record ResumeOptions(string? Root = null, bool AcceptChangedData = false);
