namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>What a block of destroyed pixels is filled with.</summary>
public enum BlockFilling
{
    /// <summary>Zeros: the mean colour of normalised images.</summary>
    Zeros,

    /// <summary>Normal noise.</summary>
    Noise,

    /// <summary>Another block of the same image, as it is at that moment.</summary>
    Block,

    /// <summary>The same place of another image.</summary>
    Replace,
}

/// <summary>A block of pixels that is destroyed.</summary>
/// <param name="Row">Its first row.</param>
/// <param name="Column">Its first column.</param>
/// <param name="Height">Rows, at least 1.</param>
/// <param name="Width">Columns, at least 1.</param>
/// <param name="Filling">Its new contents.</param>
/// <param name="FromRow">First row of the block that is copied, of a filling by a block.</param>
/// <param name="FromColumn">First column of the block that is copied, of a filling by a block.</param>
public readonly record struct PixelBlock(
    int Row,
    int Column,
    int Height,
    int Width,
    BlockFilling Filling,
    int FromRow = 0,
    int FromColumn = 0
);
