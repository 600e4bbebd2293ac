namespace Tessera.Models;

/// <summary>A model of images that is made of a record of sizes and options.</summary>
/// <typeparam name="TConfig">The record.</typeparam>
public abstract class ConfiguredBackbone<TConfig> : Backbone
    where TConfig : BackboneConfig
{
    /// <summary>A model of these sizes and options.</summary>
    /// <param name="config">The sizes and options.</param>
    protected ConfiguredBackbone(TConfig config) => Options = config;

    /// <summary>Its sizes and options, as they are after another head or resolution.</summary>
    public TConfig Options { get; protected set; }

    /// <inheritdoc/>
    public override (int Height, int Width) ImageSize => Options.ImageSize;

    /// <inheritdoc/>
    public override int Channels => Options.Channels;

    /// <inheritdoc/>
    public override int Classes => Options.Classes;

    /// <summary>Takes images of another size from now on; unless a model says otherwise, no weight depends on it.</summary>
    /// <exception cref="ShapeException">The model cannot take this size.</exception>
    public override void Resize(int height, int width) => Options = Options with { ImageSize = (height, width) };
}
