namespace Tessera.Cli.Tests;

public sealed class TrainingErrorTests(Workplace place) : IClassFixture<Workplace>
{
    private const string Recipe = """
        model: { name: cct_2_3x2_32 }
        data: { name: fashion_mnist, batch: 32 }
        augment: []
        objective: { name: supervised }
        optimizer: { name: adamw, lr: 1e-3 }
        schedule: { name: cosine, epochs: 1, warmup: 0 }
        """;

    [Fact]
    public void An_unknown_field_is_named_with_file_and_line()
    {
        place.Write("field.yaml", Recipe.Replace("epochs: 1", "epocs: 1", StringComparison.Ordinal));
        var line = place.Run("train", "field.yaml").UserError();
        Assert.Contains("field.yaml:6", line, StringComparison.Ordinal);
        Assert.Contains("epocs", line, StringComparison.Ordinal);
        Assert.Contains("epochs", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_of_the_wrong_type_is_named_with_file_and_line()
    {
        place.Write("type.yaml", Recipe.Replace("batch: 32", "batch: many", StringComparison.Ordinal));
        Assert.Contains("type.yaml:2", place.Run("train", "type.yaml").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_model_in_a_recipe_is_answered_with_the_nearest_names()
    {
        place.Write(
            "model.yaml",
            Recipe
                .Replace("cct_2_3x2_32", "cct_2_3x2_23", StringComparison.Ordinal)
                .Replace("batch: 32", $"root: {place.Data}", StringComparison.Ordinal)
        );
        Assert.Contains("cct_2_3x2_32", place.Run("train", "model.yaml").UserError(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_setting_that_leads_nowhere_is_quoted() =>
        Assert.Contains("optimizer.rate", place.Run(place.Train("--set", "optimizer.rate=1")).UserError(), StringComparison.Ordinal);

    [Fact]
    public void A_recipe_that_does_not_exist_is_answered_with_those_that_do() =>
        Assert.Contains("cct/fashion_mnist", place.Run("train", "cct/fashion_mist").UserError(), StringComparison.Ordinal);

    [Fact]
    public void Missing_data_names_the_file() =>
        Assert.Contains(
            "train-images-idx3-ubyte",
            place.Run("train", "--set", $"data.root={Path.GetTempPath()}").UserError(),
            StringComparison.Ordinal
        );

    [Fact]
    public void Resuming_takes_no_other_settings() =>
        Assert.Contains("--resume", place.Run("train", "--resume", "x", "--set", "train.seed=1").UserError(), StringComparison.Ordinal);

    [Fact]
    public void Resuming_without_a_run_is_an_error() =>
        Assert.Contains("nowhere", place.Run("train", "--resume", "nowhere").UserError(), StringComparison.Ordinal);

    [Theory]
    [InlineData("eval", "nowhere/run")]
    [InlineData("eval", "cct_2_3x2_32")]
    [InlineData("predict", "nowhere/run", "x.png")]
    public void What_cannot_be_measured_is_an_error_of_one_line(params string[] arguments) => place.Run(arguments).UserError();

    [Fact]
    public void The_recipe_of_a_search_names_the_command_for_it() =>
        Assert.Contains(
            "tessera search search/vitas_quick",
            place.Run("train", "search/vitas_quick").UserError(),
            StringComparison.Ordinal
        );

    [Fact]
    public void A_failed_start_leaves_no_run_behind()
    {
        place.Run("train", "--set", $"data.root={Path.GetTempPath()}", "--out", "unused").UserError();
        Assert.False(Directory.Exists(Path.Combine(place.Folder, "unused")));
    }
}
