namespace Tessera.Training.Losses;

/// <summary>Two forms of the contrastive loss with a margin. Their values differ, their gradients do not.</summary>
public enum ContrastiveForm
{
    /// <summary>The paper's: a negative counts by what its similarity is above the margin.</summary>
    Paper,

    /// <summary>
    /// That of the published code of the cross-batch memory: a negative above the margin counts by its whole similarity, and a positive
    /// that is the same vector not at all.
    /// </summary>
    CrossBatch,
}
