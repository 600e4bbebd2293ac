namespace Tessera.Data.Transforms;

/// <summary>Mirrors left and right.</summary>
/// <param name="Probability">How often.</param>
public sealed record RandomHorizontalFlip(double Probability = 0.5) : MovingTransform
{
    internal override byte? Border => null;

    internal override PixelMove Draw(int height, int width, ref SampleRandom random) =>
        new(0, 0, height, width, Mirrored: random.Chance(Probability));
}

/// <summary>Mirrors top and bottom.</summary>
/// <param name="Probability">How often.</param>
public sealed record RandomVerticalFlip(double Probability = 0.5) : MovingTransform
{
    internal override byte? Border => null;

    internal override PixelMove Draw(int height, int width, ref SampleRandom random) =>
        new(0, 0, height, width, Overturned: random.Chance(Probability));
}
