namespace Tessera.Models;

/// <summary>A network of ViTAS's search space, <c>vitas_network</c> in recipes.</summary>
/// <param name="Space">The space.</param>
/// <param name="Genome">The network as the authors write it (<c>net_id</c>): whole numbers between spaces.</param>
public sealed record VitasNetworkOptions(VitasSpace Space, string Genome) : ArchitectureOptions
{
    /// <summary>The network as the authors write it.</summary>
    public string Genome { get; init; } = Read(Space, Genome).ToString();

    private static VitasGenome Read(VitasSpace space, string genome)
    {
        try
        {
            return space.Decode(genome);
        }
        catch (FormatException error)
        {
            throw new ArgumentException($"genome: {error.Message}", nameof(genome), error);
        }
    }

    /// <inheritdoc/>
    public override Backbone Create(ModelOptions options) =>
        new Vitas((Vitas.Config)Space.Configure(Space.Decode(Genome), options.ImageSize ?? (224, 224)).With(options));
}
