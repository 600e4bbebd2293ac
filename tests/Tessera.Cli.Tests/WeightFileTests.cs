using Tessera.Checkpoints;
using Tessera.Models;

namespace Tessera.Cli.Tests;

/// <summary>Weights from elsewhere on the command line and in recipes.</summary>
public sealed class WeightFileTests : IDisposable
{
    private readonly Workplace place = new();

    public void Dispose() => place.Dispose();

    // Two networks in one file, as self-distillation leaves them, for images of the workplace.
    private string WriteTwoNetworks()
    {
        using var scope = new Scope();
        var state = new OrderedDictionary<string, Tensor>();
        foreach (var network in (string[])["student.", "teacher."])
        foreach (
            var (name, tensor) in Registry
                .Create(
                    "vit_mini_patch4_32",
                    new()
                    {
                        Classes = 10,
                        Channels = 1,
                        ImageSize = (12, 12),
                    }
                )
                .StateDict()
        )
            state.Add(network + name, tensor);
        var path = Path.Combine(place.Folder, "both.safetensors");
        Checkpoint.SaveSafetensors(path, state.ToCheckpoint());
        return path;
    }

    private string[] Eval(params string[] more) =>
        ["eval", "vit_mini_patch4_32", "--data", "fashion_mnist", "--root", place.Data, "--limit", "10", "--eager", .. more];

    [Fact]
    public void A_part_of_a_file_is_chosen_by_prefix_and_the_choice_is_asked_for()
    {
        var file = WriteTwoNetworks();
        Assert.Contains("student. or teacher.", place.Run(Eval("--checkpoint", file)).UserError(), StringComparison.Ordinal);
        place.Run(Eval("--checkpoint", file, "--prefix", "teacher")).Succeeded();
        Assert.Contains("no moving average", place.Run(Eval("--checkpoint", file, "--ema")).UserError(), StringComparison.Ordinal);
        Assert.Contains("'state_dict'", place.Run(Eval("--checkpoint", file, "--key", "state_dict")).UserError(), StringComparison.Ordinal);
        Assert.Contains("--checkpoint", place.Run(Eval("--key", "teacher")).UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_recipe_names_a_part_of_a_file_and_the_run_says_what_became_of_it()
    {
        WriteTwoNetworks();
        place.Write(
            "tune.yaml",
            $$"""
            model: { name: vit_mini_patch4_32, weights: { file: both.safetensors, prefix: teacher. }, new_head: true }
            data: { name: fashion_mnist, root: {{place.Data}}, batch: 32, limit: 64 }
            augment: []
            objective: supervised
            optimizer: { name: adamw, lr: 1e-3 }
            schedule: { name: cosine, epochs: 1, warmup: 0 }
            train: { threads: 1 }
            """
        );
        place.Run("train", "tune.yaml", "--out", "tuned").Succeeded();
        var log = File.ReadAllText(Path.Combine(place.Folder, "tuned", "log.jsonl"));
        Assert.Contains("the classifier starts fresh", log, StringComparison.Ordinal);
        Assert.Contains("prefix: teacher.", File.ReadAllText(Path.Combine(place.Folder, "tuned", "recipe.yaml")), StringComparison.Ordinal);
    }

    [Fact]
    public void Names_of_classes_come_with_a_file()
    {
        using (new Scope())
            Checkpoint.SaveSafetensors(
                Path.Combine(place.Folder, "two.safetensors"),
                Registry.Create("vit_mini_patch4_32", new() { Classes = 2 }).StateDict().ToCheckpoint()
            );
        place.Write("names.json", """{"0": ["n1", "cat"], "1": ["n2", "dog"]}""");
        var image = place.WriteImage("a.png", 1);
        string[] explain = ["explain", "vit_mini_patch4_32", image, "--checkpoint", "two.safetensors", "--json", "--classes"];
        var result = place.Run([.. explain, "names.json"]).Succeeded().Json;
        Assert.Contains(result.GetProperty("images")[0].GetProperty("class").GetString(), (string[])["cat", "dog"]);
        Assert.Contains("names.txt", place.Run([.. explain, "names.txt"]).UserError(), StringComparison.Ordinal);
    }
}
