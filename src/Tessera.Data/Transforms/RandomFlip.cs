namespace Tessera.Data;

/// <summary>Mirrors left and right.</summary>
/// <param name="Probability">How often.</param>
public sealed record RandomFlip(double Probability = 0.5) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        if (!random.Chance(Probability)) return;
        canvas.View = canvas.View.Mirrored;
        var image = canvas.Image;
        for (var c = 0; c < image.Channels; c++)
            for (var y = 0; y < image.Height; y++) image.Row(c, y).Reverse();
    }
}

/// <summary>Mirrors top and bottom.</summary>
/// <param name="Probability">How often.</param>
public sealed record RandomVerticalFlip(double Probability = 0.5) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        if (!random.Chance(Probability)) return;
        canvas.View = canvas.View.Overturned;
        var image = canvas.Image;
        for (var c = 0; c < image.Channels; c++)
        {
            // Mirrored both ways, then each row back.
            image.Plane(c).Reverse();
            for (var y = 0; y < image.Height; y++) image.Row(c, y).Reverse();
        }
    }
}
