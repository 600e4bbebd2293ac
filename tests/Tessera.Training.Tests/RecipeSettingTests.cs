using Tessera.Training.Objectives.SelfSupervision;
using Tessera.Training.Tasks.Text;

namespace Tessera.Training.Tests;

/// <summary>Values of single fields: text is taken as it is, everything else is YAML.</summary>
public sealed class RecipeSettingTests
{
    private const string Valid = """
        model: { name: cct_7_3x1_32 }
        data: { name: cifar10 }
        augment: [ random_crop: { pad: 4 }, random_horizontal_flip ]
        objective: { name: supervised }
        optimizer: { name: adamw, lr: 1e-3 }
        schedule: { name: cosine, epochs: 3 }
        """;

    private static Recipe Parse(params string[] settings) => Recipe.Parse(Valid, "r.yaml", settings);

    [Fact]
    public void Null_is_none_of_a_part_and_braces_are_one_with_its_defaults()
    {
        Assert.Equal(new SamOptions(), Parse("train.sam={}").Train.Sam);
        Assert.Null(Parse("train.sam={}", "train.sam=null").Train.Sam);
        Assert.Null(Parse("train.sam=null").Train.Sam);
        Assert.Null(Mixing("{ name: simclr, unmix: null }"));
        Assert.Equal(new UnMixOptions(), Mixing("{ name: simclr, unmix: {} }"));
        Assert.Equal(new UnMixOptions(0.3), Mixing("{ name: simclr, unmix: 0.3 }"));
    }

    private static UnMixOptions? Mixing(string objective) =>
        Assert.IsType<SimClrOptions>(Parse($"objective={objective}", Views).Objective).Unmix;

    private const string Views = "augment={ views: [ [ random_crop: { pad: 4 } ], [ random_crop: { pad: 4 } ] ] }";

    public static TheoryData<string> Texts =>
        [
            "/x/run #3",
            "/x: y",
            "/x:",
            "[/x, y",
            "[x]",
            "{x}",
            "~/x",
            "it's",
            "say \"x\"",
            "'x' and 'y'",
            "\"x\" # \"y\"",
            "'it's'",
            @"C:\data\new",
            " x ",
            "- x",
            "? x",
            "&x",
            "*x",
            "!x",
            "%x",
            "@x",
            "`x",
            "| x",
            "> x",
            "no",
            "on",
            "true",
            "1e5",
            "0x10",
            "a\tb",
            "a\nb",
            "=",
            "a=b",
            "Null",
            "\u00e9\U0001F600",
        ];

    [Theory]
    [MemberData(nameof(Texts))]
    public void A_text_is_taken_as_it_is_and_the_resolved_recipe_reads_back_to_it(string text)
    {
        var recipe = Parse($"data.root={text}", $"model.weights={text}");
        Assert.Equal((text, text), (recipe.Data.Root, recipe.Model.Weights!.File));
        Assert.Equal(text, Recipe.Parse(recipe.ToYaml(), "again.yaml").Data.Root);
    }

    [Theory]
    [InlineData("'/x #3'", "/x #3")]
    [InlineData("'it''s'", "it's")]
    [InlineData("\"a\\tb\"", "a\tb")]
    [InlineData("'null'", "null")]
    [InlineData("null", null)]
    [InlineData("~", null)]
    [InlineData("", null)]
    public void A_text_in_quotes_is_what_they_enclose_and_nothing_is_nothing(string written, string? text) =>
        Assert.Equal(text, Parse("data.root=/x", $"data.root={written}").Data.Root);

    [Fact]
    public void Fields_below_what_is_chosen_by_name_are_known()
    {
        var distilled = Parse(
            "augment=[]",
            "objective={name: soft_distillation, teacher: {run: x}}",
            "objective.teacher.run=/x #3",
            "objective.stored=[y"
        );
        var options = (SoftDistillationOptions)distilled.Objective;
        Assert.Equal(("/x #3", "[y"), (options.Teacher.Run, options.Stored));
        // A single value is the first field of a record.
        Assert.Equal(
            "/x #4",
            ((SoftDistillationOptions)Parse("objective={name: soft_distillation}", "objective.teacher=/x #4").Objective).Teacher.Run
        );
        // What is chosen by name alone keeps it.
        Assert.Equal(new SupervisedOptions(0.25), Parse("objective=supervised", "objective.smoothing=0.25").Objective);
        Assert.Equal("teacher", Parse("model.weights={file: x, key: teacher}").Model.Weights!.Key);
        var text = (TextTask)Parse("task=text", "task.word_vectors=/x #3").Task!;
        Assert.Equal("/x #3", text.WordVectors);
        // Of a task that nothing chooses yet, and by its old place.
        Assert.Equal("/x #3", ((TextTask)Parse("task.word_vectors=/x #3", "task.name=text").Task!).WordVectors);
        Assert.Equal("/x #3", ((TextTask)Parse("model.word_vectors=/x #3").Task!).WordVectors);
    }

    [Fact]
    public void Other_fields_stay_yaml()
    {
        var recipe = Parse("data.batch=7 # a comment", "train.ema= 0.5", "augment=[random_crop: {pad: 3}]", "data.shrink_on_load=no");
        Assert.Equal((7, 0.5, false), (recipe.Data.Batch, recipe.Train.Ema, recipe.Data.ShrinkOnLoad));
        Assert.Equal(3, ((RandomCrop)Assert.Single(recipe.Augment.First)).Pad);
        Assert.Equal("x", Parse("data={name: cifar10, root: x}").Data.Root);
        Assert.Equal("cct_2_3x2_32", Parse("model=cct_2_3x2_32").Model.Name);
        Assert.Equal("cct_2_3x2_32", Parse("model={name: cct_2_3x2_32}").Model.Name);
        Assert.Contains(
            "must be a whole number",
            Assert.Throws<RecipeException>(() => Parse("data.batch=x #3")).Message,
            StringComparison.Ordinal
        );
        Assert.Contains("no YAML", Assert.Throws<RecipeException>(() => Parse("data.batch=[7")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Texts_in_stages_are_taken_as_they_are()
    {
        using var folder = new Testing.TempFolder();
        File.WriteAllText(
            folder["staged.yaml"],
            $$"""
            {{Valid}}
            stages:
              - name: first
              - name: second
                objective: {name: soft_distillation }
            """
        );
        var stages = StagedRun.Read(
            folder["staged.yaml"],
            ["data.root=/x #3", "stages.1.data.root=/y: z", "stages.1.objective.teacher.run=~/t #1"],
            folder["runs"]
        );
        Assert.Equal(["/x #3", "/y: z"], stages.Select(stage => stage.Recipe.Data.Root));
        Assert.Equal("~/t #1", ((SoftDistillationOptions)stages[1].Recipe.Objective).Teacher.Run);
    }
}
